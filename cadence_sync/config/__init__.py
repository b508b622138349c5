"""Settings, and what may stand in them."""
