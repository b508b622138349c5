"""Logs on stderr: lines for people on a terminal, JSON for machines; stdout belongs to results."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Send structlog's events to stderr from this level on."""
    # Never rich tracebacks: they show local variables, and among those are secrets.
    for_people = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    for_machines = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(for_people if sys.stderr.isatty() else for_machines),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
