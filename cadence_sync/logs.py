"""Logs on stderr: lines for people on a terminal, JSON for machines; stdout holds results."""

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from cadence_sync.errors import CadenceSyncError


def forward_libraries() -> None:
    """Turns the warnings of libraries into events until the process ends: a daemon's logs have one form."""
    logging.getLogger().addHandler(_Forward(logging.WARNING))


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Logs a record; of an exception only the type, since its text may hold secrets."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        fields = {"logger": record.name, "message": record.getMessage()} | ({"error": error} if error else {})
        log.log(record.levelno, "library", **fields)


class _Log:
    """structlog, imported with the first event: most commands log nothing, and it is a tenth of their start."""

    def __init__(self) -> None:
        self.configure("INFO")

    def configure(self, level: str, *, tracebacks: bool = True) -> None:
        self._level, self._tracebacks = level, tracebacks
        self._logger: Any = None

    def __getattr__(self, method: str) -> Any:
        if self._logger is None:
            self._logger = _structlog(self._level, tracebacks=self._tracebacks)
        return getattr(self._logger, method)


log: Final = _Log()
configure_logs: Final = log.configure


@contextmanager
def log_and_continue(event: str) -> Iterator[None]:
    """Logs an error instead of raising it; of an unexpected one only the type, since its text may hold anything."""
    try:
        yield
    except CadenceSyncError as error:
        log.warning(event, error=error.message)
    except Exception as error:  # noqa: BLE001 - see above
        log.warning(event, error=type(error).__name__)


def _structlog(level: str, *, tracebacks: bool) -> Any:
    import structlog  # noqa: PLC0415 - see `_Log`

    # Never rich tracebacks: they show local variables, and among those are secrets.
    plain = structlog.dev.plain_traceback
    for_people = [structlog.dev.ConsoleRenderer(colors=_in_color(), exception_formatter=plain)]
    for_machines = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if tracebacks else [_without_traceback]),
            *(for_people if sys.stderr.isatty() else for_machines),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    return structlog.get_logger()


def _in_color() -> bool:
    """Whether a terminal shows colors, and its user wants them: https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}


def _without_traceback(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("exc_info", None)
    return event
