"""How results are shown: rich tables on a terminal, plain lines when piped, JSON when asked."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from cadence_sync.cli.console import echo

if TYPE_CHECKING:
    from cadence_sync.errors import CadenceSyncError


def print_json(value: object) -> None:
    """Print a value as JSON on stdout; times as ISO 8601."""
    json.dump(value, sys.stdout, default=_encode, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: a table or blocks on a terminal, tab-separated lines under a line of names elsewhere."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(one_line(cell) for cell in row))
        return
    from cadence_sync.cli.terminal import show_rows

    show_rows(title, columns, [[one_line(cell) for cell in row] for row in rows])


def print_fields(values: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        echo(f"{name:<{width}}  {one_line(value)}", hang=width + 2)


def show_error(error: "CadenceSyncError", stream: TextIO | None = None) -> None:
    """Print one sentence and a hint on stderr."""
    lines = [f"Error: {error.message}", *([f"Hint: {error.hint}"] if error.hint else [])]
    echo("\n".join(one_line(line) for line in lines), stream or sys.stderr)


def shown_error(error: "CadenceSyncError") -> dict[str, str]:
    """Return an error as the JSON of a command shows it."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def show_warning(sentence: str, hint: str) -> None:
    """Print what a command does not stop for on stderr."""
    echo(f"Warning: {one_line(sentence)}\nHint: {one_line(hint)}", sys.stderr)


def show_note(sentence: str) -> None:
    """Print on stderr what an answer on stdout cannot say of itself."""
    echo(f"Note: {one_line(sentence)}", sys.stderr)


def not_before(time: datetime) -> str:
    """Return the first whole second that does not lie before a time: given back, it is answered for."""
    return one_line(time if time.microsecond == 0 else time.replace(microsecond=0) + timedelta(seconds=1))


def one_line(value: object) -> str:
    """Return a value as text for people; control characters cannot move the cursor or fake a line."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=_encode)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def _encode(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
