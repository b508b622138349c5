"""Color and width follow the terminal; a pipe gets whole lines and no escape sequence, whatever it is called."""

import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Program
from tests.support.lab import Lab
from tests.support.records import record

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
WIDE = "日本語のカデンス、長い名前が、ここにある 🎉 und noch viel mehr, damit keine Zeile reicht"
REFUSED = {"ZOHO_API_URL": "http://127.0.0.1:9", "ZOHO_MAX_ATTEMPTS": "2"}
COMMANDS = (["list"], ["doctor", "--offline"])


@pytest.fixture
async def wide(program: Program, lab: Lab) -> Program:
    await lab.sync(record("1", name=WIDE), record("2", name="plain"))
    return program


async def test_a_terminal_gets_the_colors_that_it_wants(wide: Program, around: Callable[..., None]) -> None:
    wide.settings |= REFUSED
    for variables, colored in (
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ):
        around(**variables)
        shown = "\n".join(await wide.on_a_terminal("doctor", "--offline"))
        assert ("✓" in shown, "\x1b[32m" in shown) == (True, colored), variables
        logged = "\n".join(await wide.on_a_terminal("sync"))
        assert "request_retry" in logged
        assert bool(re.search(r"\x1b\[(3\d|3\d;1|1;3\d|2)m", logged)) is colored, variables


async def test_a_table_is_as_wide_as_the_terminal_wide_glyphs_included(
    wide: Program, around: Callable[..., None]
) -> None:
    for columns in (40, 200):
        around(TERM="xterm", COLUMNS=str(columns))
        for words in COMMANDS:
            lines = [ESCAPE.sub("", line) for line in await wide.on_a_terminal(*words)]
            assert len(lines) > 3
            assert max(map(cell_len, lines)) <= columns, words


async def test_a_pipe_gets_whole_lines_and_no_escape_sequence(wide: Program, around: Callable[..., None]) -> None:
    around(TERM="xterm", COLUMNS="20")
    for words, line in ((["list"], WIDE), (["doctor", "--offline"], "✓ default: schema drift: every field that Zoho")):
        narrow = await wide.run(*words)
        assert any(line in whole for whole in narrow.out.splitlines())
        assert "\x1b" not in narrow.out + narrow.err


async def test_a_pipe_gets_colors_where_they_are_forced_and_lines_stay_whole(
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
