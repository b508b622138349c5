"""`serve` and `worker`: when syncs run, and what machines can ask of a daemon."""
