"""The HTTP endpoints of the daemon."""
