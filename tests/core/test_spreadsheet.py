"""No cell of a CSV is a formula, however a spreadsheet splits its lines."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core.spreadsheet import SpreadsheetWriter

TRICKY = "=+-@\uff1d\uff0b\uff0d\uff20;,\t\n\r\"' a1\u00a0\u200b\ufeff\x1b\x00\x85\u2028\u202e"
FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
TEXTS = st.text(st.sampled_from(TRICKY), max_size=12) | st.text(max_size=8)


def written(*rows: list[object]) -> str:
    out = io.StringIO(newline="")
    writer = SpreadsheetWriter(out)
    for row in rows:
        writer.write_row(row)
    return out.getvalue()


def cells(text: str, separator: str) -> list[str]:
    """Return the cells that a spreadsheet sees which respects quotes, and that one sees which does not."""
    respecting = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    lines = re.split(r"\r\n|\r|\n", text)
    splitting = [cell for line in lines for cell in line.split(separator)]
    return [*respecting, *splitting, *(cell.strip().strip('"') for cell in splitting)]


@given(st.lists(st.lists(TEXTS | st.none(), min_size=1, max_size=4), min_size=1, max_size=3))
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_begins_with_a_formula(separator: str, rows: list[list[object]]) -> None:
    text = written(*rows)
    assert [cell for cell in cells(text, separator) if FORMULA.match(cell)] == []
    assert re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text) is None


@given(st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_stay_numbers(numbers: list[object]) -> None:
    (row,) = csv.reader(io.StringIO(written(numbers), newline=""))
    assert [float(cell) for cell in row] == [float(str(number)) for number in numbers]


@given(st.lists(st.text(st.sampled_from("abc ÄÎ日\n\"'(){}[].:!?é"), max_size=20), min_size=1))
def test_other_text_stays_as_it_is(texts: list[object]) -> None:
    text = written(["x", *texts])
    (row,) = csv.reader(io.StringIO(text, newline=""))
    assert row == ["x", *[f"'{each}" if str(each).startswith("\n") else each for each in texts]]


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("Q3;=cmd|' /C calc'!A0;", "Q3;'=cmd|' /C calc'!A0;"),
        ('Q3;"=cmd"', 'Q3;\'"=cmd"'),
        ("a\r\n =1", "a\n' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("\tx", "'\tx"),
        ("up 20 % - or more", "up 20 % - or more"),
        ("2026-03-01T09:00:00-07:00", "2026-03-01T09:00:00-07:00"),
    ],
)
def test_what_is_written(text: str, inert: str) -> None:
    (row,) = csv.reader(io.StringIO(written([text]), newline=""))
    assert row == [inert]
