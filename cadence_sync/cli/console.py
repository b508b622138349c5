"""Results and errors on the standard streams: tables or lines for people, tabs when piped, JSON when asked.

Standard output that is full, broken or closed ends a command with one sentence instead of a traceback.
"""

import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any, Final, TextIO

from cadence_sync.core.labels import one_line, render_json
from cadence_sync.errors import ArgumentError, CadenceSyncError

_USUAL_WIDTH: Final = 80
_STDOUT: Final = 1


def echo(text: str, stream: TextIO | None = None, *, hang: int = 0) -> None:
    """Prints lines; a continuation is indented like its line, or by `hang` columns."""
    where = stream or sys.stdout
    for line in text.split("\n"):
        print(wrap(line, where, hang=hang), file=where)


def wrap(line: str, stream: TextIO, *, hang: int = 0) -> str:
    if not stream.isatty():
        return line
    width = _width(stream)
    if line.isascii() and len(line) <= width:
        return line
    from cadence_sync.cli.terminal import fold  # rich takes longer to import than most commands to run

    return "\n".join(fold(line, width, hang))


def _width(stream: TextIO) -> int:
    with suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    return _USUAL_WIDTH


def print_json(value: object) -> None:
    sys.stdout.write(render_json(value, for_terminal=sys.stdout.isatty()))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table or blocks on a terminal, tab-separated lines under a line of names elsewhere."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(one_line(cell) for cell in row))
        return
    from cadence_sync.cli.terminal import show_rows  # as above

    show_rows(title, columns, [[one_line(cell) for cell in row] for row in rows])


def print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, as_json: bool = False
) -> None:
    """Prints these columns as a table, or whole rows as JSON."""
    if as_json:
        print_json(rows)
    else:
        print_table(title, columns, [[row[name] for name in columns] for row in rows])


def print_fields(values: Mapping[str, object]) -> None:
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        echo(f"{name:<{width}}  {one_line(value)}", hang=width + 2)


def show_error(error: CadenceSyncError) -> None:
    echo(f"Error: {one_line(error.message)}", sys.stderr)
    if error.hint:
        echo(f"Hint: {one_line(error.hint)}", sys.stderr)


def show_warning(sentence: str, hint: str) -> None:
    echo(f"Warning: {one_line(sentence)}\nHint: {one_line(hint)}", sys.stderr)


def show_note(sentence: str) -> None:
    echo(f"Note: {one_line(sentence)}", sys.stderr)


@contextmanager
def guard_stdout() -> Iterator[None]:
    """Replaces `sys.stdout` by a stream whose failures are `ArgumentError`, and flushes it at the end."""
    plain = sys.stdout
    if plain is None:  # closed by the shell: nothing reads what is written
        with Path(os.devnull).open("w", encoding="utf-8") as nothing:
            sys.stdout = nothing
            yield
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_GuardedStdout(_STDOUT, "w", closefd=False)),
        encoding=plain.encoding,
        errors="backslashreplace" if plain.errors == "strict" else plain.errors,  # not every terminal knows a ✓
        line_buffering=bool(plain.line_buffering),
    )
    try:
        yield
    except BaseException as outcome:
        try:
            sys.stdout.flush()
        except ArgumentError as error:
            if isinstance(outcome, SystemExit) and not outcome.code:
                raise
            show_error(error)  # what went wrong before it matters more
        raise
    sys.stdout.flush()


class _GuardedStdout(io.FileIO):
    """The bytes of standard output; after the first failure is raised, the rest is thrown away."""

    def write(self, data: Any, /) -> int:
        """Writes some of the data, as a file does; waits while a non-blocking pipe is full."""
        try:
            written = super().write(data)
            while written is None:
                select([], [_STDOUT], [])
                written = super().write(data)
        except BrokenPipeError:
            _mute()
            sys.exit(128 + 13)  # as SIGPIPE ends a program: `list | head -1` is no failure worth a word
        except OSError as error:
            _mute()
            raise ArgumentError(
                f"Standard output cannot be written: {error.strerror or error}.",
                hint="Make room where it leads, or send it elsewhere; what was written to the database is there.",
                code="OUTPUT_NOT_WRITABLE",
            ) from error
        return written


def _mute() -> None:
    """Discards the rest: the interpreter writes it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)
