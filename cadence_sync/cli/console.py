"""Lines for people: on a terminal they break at blanks, elsewhere they stay whole."""

import os
import re
import sys
from contextlib import suppress
from typing import Final, TextIO

_USUAL: Final = 80
_DEEPEST: Final = 3
"""The share of a narrow terminal that an indent may take, as a divisor."""
_INDENT: Final = re.compile(r"\s*(\d+\. |[-·] )?")


def echo(text: str, stream: TextIO | None = None, *, hang: int = 0) -> None:
    """Print lines; what is continued is indented as its line is, or by `hang`."""
    where = stream or sys.stdout
    for line in text.split("\n"):
        print(wrap(line, where, hang=hang), file=where)


def wrap(line: str, stream: TextIO, *, hang: int = 0) -> str:
    """Return a line as it fits the terminal that a stream is, if it is one."""
    if not stream.isatty():
        return line
    width = _width(stream)
    if line.isascii() and len(line) <= width:
        return line
    return "\n".join(_folded(line, width, hang))


def _folded(line: str, width: int, hang: int) -> list[str]:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=width)
    first = Text(line).wrap(console, width)[0].plain
    rest = line[len(first) :].strip()
    if not rest:
        return [first.rstrip()]
    found = _INDENT.match(line)
    indent = " " * min(max(hang, found.end() if found else 0), width // _DEEPEST)
    return [
        first.rstrip(),
        *(f"{indent}{more.plain.rstrip()}" for more in Text(rest).wrap(console, width - len(indent))),
    ]


def _width(stream: TextIO) -> int:
    with suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    return _USUAL
