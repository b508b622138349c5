"""Colour and width follow the terminal; a pipe gets whole lines and no escape sequence, whatever it is called."""

import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Program
from tests.support.lab import Lab
from tests.support.records import record

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
WIDE = "日本語のカデンス、長い名前が、ここにある 🎉 und noch viel mehr, damit keine Zeile reicht"
REFUSED = {"ZOHO_API_URL": "http://127.0.0.1:9", "ZOHO_ATTEMPTS": "2"}
COMMANDS = (["status"], ["list"], ["doctor", "--offline"])


@pytest.fixture
async def wide(program: Program, lab: Lab) -> Program:
    await lab.sync(record("1", name=WIDE), record("2", name="plain"))
    return program


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
    ids=str,
)
async def test_a_terminal_gets_the_colours_that_it_wants(
    wide: Program, around: Callable[..., None], variables: dict[str, str], coloured: bool
) -> None:
    around(**variables)
    shown = "\n".join(await wide.on_a_terminal("doctor", "--offline"))
    assert "✓" in shown
    assert ("\x1b[32m" in shown) is coloured
    wide.settings |= REFUSED
    logged = "\n".join(await wide.on_a_terminal("sync"))
    assert "asking_again" in logged
    assert bool(re.search(r"\x1b\[(3\d|3\d;1|1;3\d|2)m", logged)) is coloured


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [40, 80, 200])
async def test_a_table_is_as_wide_as_the_terminal_wide_glyphs_included(
    wide: Program, around: Callable[..., None], words: list[str], columns: int
) -> None:
    around(TERM="xterm", COLUMNS=str(columns))
    lines = [ESCAPE.sub("", line) for line in await wide.on_a_terminal(*words)]
    assert len(lines) > 3
    assert max(map(cell_len, lines)) <= columns


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
async def test_a_pipe_gets_whole_lines_and_no_escape_sequence(
    wide: Program, around: Callable[..., None], words: list[str]
) -> None:
    plain = await wide.run(*words)
    around(TERM="xterm", COLUMNS="20")
    narrow = await wide.run(*words)
    assert narrow == plain
    assert "\x1b" not in narrow.out + narrow.err
    if words == ["list"]:
        assert any(WIDE in line for line in narrow.out.splitlines())


async def test_a_pipe_gets_colours_where_they_are_forced_and_lines_stay_whole(
    wide: Program, around: Callable[..., None]
) -> None:
    plain = await wide.run("doctor", "--offline")
    around(TERM="xterm", FORCE_COLOR="1", COLUMNS="20")
    forced = await wide.run("doctor", "--offline")
    assert "\x1b[32m" in forced.out
    assert ESCAPE.sub("", forced.out) == plain.out
    around(TERM="xterm", FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in (await wide.run("doctor", "--offline")).out
    around(FORCE_COLOR="1")
    assert "\x1b" not in (await wide.run("status", "--json")).out
