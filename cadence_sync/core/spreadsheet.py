"""CSV for spreadsheets: no cell is a formula, whichever list separator the reader's spreadsheet splits lines at."""

import csv
import re
from collections.abc import Iterable
from typing import Final, TextIO

from cadence_sync.core.labels import replace_controls

_IGNORED: Final = r'(?:[^\S\t\n]|["\u200b-\u200f\u2060\ufeff])*'
"""What a spreadsheet may skip before a formula: blanks, invisible characters, and quotes that it takes for its own."""
_FORMULA: Final = "[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
"""The beginnings of formulas, and their full-width and small forms."""
_START: Final = re.compile(rf"\A(?=[\t\n])|(\A|[;,\t\n])(?={_IGNORED}{_FORMULA})")
"""Starts of cells: a quoted comma is a border for a spreadsheet that separates by semicolons, and the reverse."""


class SpreadsheetWriter:
    """Writes lines by RFC 4180 with every cell in quotes; numbers stay numbers."""

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream, quoting=csv.QUOTE_ALL)

    def write_row(self, cells: Iterable[object]) -> None:
        self._writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in cells])


def inert(text: str) -> str:
    """Returns text with an apostrophe wherever a cell could begin with a formula, and without control characters."""
    return _START.sub(lambda found: f"{found[1] or ''}'", replace_controls(text))
