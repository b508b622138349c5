"""Queries of the CLI, the web UI and monitoring: one module a subject, used by all of them."""
