"""What rich draws on a terminal: folded lines, tables, and a block a row where a table's columns lack room.

Imported only where there is a terminal: rich takes longer to import than most commands to run.
"""

import re
from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

LEAST: Final = 16
"""Columns that a text gets before it is folded, at its blanks."""
LONGEST_WORD: Final = 24
"""Characters: a longer word may break; none of this program's is."""
_WHOLE: Final = frozenset({"cadence_id", "org_id", "run_id"})
"""Columns that people copy from are never broken."""
_INDENT: Final = re.compile(r"\s*(\d+\. |[-·] )?")


def fold(line: str, width: int, hang: int) -> list[str]:
    """Breaks a line at its blanks; a continuation is indented like the line, or by `hang` columns."""
    console = Console(width=width)
    first = Text(line).wrap(console, width)[0].plain
    rest = line[len(first) :].strip()
    if not rest:
        return [first.rstrip()]
    found = _INDENT.match(line)
    indent = " " * min(max(hang, found.end() if found else 0), width // 3)
    folded = Text(rest).wrap(console, width - len(indent))
    return [first.rstrip(), *(f"{indent}{more.plain.rstrip()}" for more in folded)]


def show_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console = Console()
    widths = _widths(console.width, columns, rows)
    if widths is not None:
        console.print(_table(title, columns, rows, widths), "", sep="\n")
        return
    if title:
        console.print(Text(title, style="bold"), "", sep="\n")
    for block in [_block(columns, row) for row in rows] or ["none"]:
        console.print(block, "", sep="\n")


def _widths(room: int, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int] | None:
    """Returns the width of each column, or None where they do not fit; spare room goes to the texts."""
    wanted = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    words = [
        max(cell_len(word) for cell in cells for word in cell.split(" ")) for cells in zip(columns, *rows, strict=True)
    ]
    widths = [
        want if name in _WHOLE else min(want, max(LEAST, min(word, LONGEST_WORD)))
        for name, want, word in zip(columns, wanted, words, strict=True)
    ]
    left = room - sum(widths) - 2 * (len(columns) - 1)  # two stay free between columns
    if left < 0:
        return None
    for number in sorted(range(len(columns)), key=wanted.__getitem__):
        more = min(wanted[number] - widths[number], left)
        widths[number] += more
        left -= more
    return widths


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> RenderableType:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.pad_edge, table.show_edge, table.collapse_padding = False, False, True
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _block(columns: Sequence[str], row: Sequence[str]) -> RenderableType:
    block = Table.grid(padding=(0, 2, 0, 0))
    block.add_column(no_wrap=True)
    block.add_column(overflow="fold")
    for name, value in zip(columns, row, strict=True):
        block.add_row(Text(name, style="bold"), Text(value))
    return block
