"""On a narrow terminal nothing is left out, and no word breaks in the middle."""

from collections.abc import Callable, Sequence

import pytest
from rich.cells import cell_len

from cadence_sync.cli.commands.show import _LIST, _STATUS
from cadence_sync.cli.commands.sync import _COLUMNS
from cadence_sync.cli.console import print_table
from cadence_sync.core.report import Outcome
from tests.cli.conftest import Screen
from tests.cli.test_terminal import WIDE

ROWS: dict[tuple[str, ...], Sequence[object]] = {
    _COLUMNS: ("default", 4711, max(Outcome, key=len), *range(100, 110)),
    _STATUS: ("default", 25, 0, "2026-11-23 23:59:33", "succeeded", "ZOHO_UNAVAILABLE", 0, 0, 0, 2),
    _LIST: (
        "6652397000000307091", "ABM tier 1 - Iberia 2025", "custom_view", "active", True, "Leads",
        "2026-11-23 23:59:33", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("columns", [40, 80, 100, 132, 200])
@pytest.mark.parametrize("names", ROWS, ids=["sync", "status", "list"])
def test_every_value_is_there_unbroken(screen_of: Callable[[int], Screen], names: Sequence[str], columns: int) -> None:
    screen, row = screen_of(columns), ROWS[tuple(names)]
    print_table("Title", names, [row])
    words = " ".join(str(cell) for cell in (*names, *row) if cell is not None).split()
    assert [word for word in words if word not in " ".join(screen.lines)] == []
    assert max(map(cell_len, screen.lines)) <= columns


@pytest.mark.parametrize("columns", [30, 60, 90])
def test_a_long_text_is_folded_and_the_rest_is_not(screen_of: Callable[[int], Screen], columns: int) -> None:
    screen = screen_of(columns)
    print_table("Title", ("org_id", "outcome", "name"), [("an-agency", "succeeded", WIDE)])
    shown = "".join("".join(screen.lines).split())
    assert all(word in "\n".join(screen.lines) for word in ("an-agency", "succeeded", "reicht"))
    assert (columns == 30) is ("name" + WIDE[:4] in shown)  # a block has the value beside its name
    assert max(map(cell_len, screen.lines)) <= columns


def test_no_rows_are_said_to_be_none(screen_of: Callable[[int], Screen]) -> None:
    screen = screen_of(40)
    print_table("Cadences", _LIST, [])
    assert screen.lines[-2:] == ["none", ""]
