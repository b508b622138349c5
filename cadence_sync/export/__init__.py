"""`export --git`: the history as a git repository."""
