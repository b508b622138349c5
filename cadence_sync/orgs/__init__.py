"""Which organizations there are, how each is reached, and how one is added."""
