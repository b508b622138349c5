"""HTTP: the web UI for people, and probes and metrics for machines."""
