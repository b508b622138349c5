"""HTTP: probes and metrics for machines (`health`), and the web UI for people (`app`)."""
