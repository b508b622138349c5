"""Standard output that is full, broken or closed ends a command with one sentence and not with a traceback."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import TYPE_CHECKING, Final

from cadence_sync.cli.output import show_error
from cadence_sync.errors import ArgumentError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT: Final = 1
_BY_SIGPIPE: Final = 128 + 13
"""What a shell shows of a program that a closed pipe ended: `list | head -1` is no failure worth a word."""


class _Output(io.FileIO):
    """The bytes of standard output; what cannot be written is thrown away once it was said."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write some of the data, as a file does, and wait where a pipe is full that does not block."""
        try:
            written = super().write(data)
            while written is None:
                select([], [_STDOUT], [])
                written = super().write(data)
        except BrokenPipeError:
            _mute()
            sys.exit(_BY_SIGPIPE)
        except OSError as error:
            _mute()
            raise ArgumentError(
                f"Standard output cannot be written: {error.strerror or error}.",
                hint="Make room where it leads, or send it elsewhere; what was written to the database is there.",
                code="OUTPUT_NOT_WRITABLE",
            ) from error
        return written


@contextmanager
def guarded_stdout() -> Iterator[None]:
    """Write through it to the end, what is still in its buffer included."""
    plain = sys.stdout
    if plain is None:  # closed by the shell: nobody asks for what is written
        with Path(os.devnull).open("w", encoding="utf-8") as nothing:
            sys.stdout = nothing
            yield
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(_STDOUT, "w", closefd=False)),
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


def _mute() -> None:
    """Let the rest go nowhere: the interpreter writes it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)
