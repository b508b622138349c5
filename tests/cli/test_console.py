"""What is said on a terminal breaks at blanks, and Ctrl-C leaves the shell a line of its own."""

import asyncio
import io
import os
import pty
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from cadence_sync.cli.console import wrap
from tests.cli.conftest import Program, Screen
from tests.cli.test_terminal import WIDE
from tests.support import cli
from tests.support.lab import Lab
from tests.support.records import record


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_a_line_breaks_at_blanks_and_loses_nothing(screen_of: Callable[[int], Screen], columns: int) -> None:
    screen = screen_of(columns)
    for text in ("  1. The database: a Postgres 15 to 18, or the embedded server that needs no set-up.", WIDE):
        lines = wrap(text, screen, hang=4).split("\n")
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert max(map(cell_len, lines)) <= columns
        assert [line for line in lines[1:] if not re.match(r" {4,5}\S", line)] == []
    assert wrap("word " * 99, io.StringIO()) == "word " * 99


async def test_history_breaks_at_blanks(program: Program, lab: Lab, around: Callable[..., None]) -> None:
    await lab.sync(record("1", name="a name of many words that has no room"))
    await lab.sync(record("1", name="a name of other words that has no room either"))
    around(TERM="xterm", COLUMNS="40")
    lines = await program.on_a_terminal("history", "1")
    assert max(map(len, lines)) <= 40
    words = " ".join(lines).split()
    assert {"other", "either", "watching"} <= set(words)


async def test_questions_break_at_blanks(program: Program) -> None:
    code, shown = await cli.conversation(
        "init", answers=[("server", cli.INTERRUPT)], cwd=program.cwd, columns="40", DATABASE_URL=None
    )
    assert code == 130
    lines = shown.split("\r\n")
    assert max(map(len, lines)) <= 42
    assert "embedded server" in " ".join(" ".join(lines).split())
    assert lines[-1] == ""


@pytest.mark.parametrize("hidden", [False, True])
async def test_ctrl_c_ends_the_line_once(program: Program, hidden: bool) -> None:
    answers = [("Data center", "us"), ("Client id", "1000.X"), ("Client secret", cli.INTERRUPT)]
    reported = answers if hidden else [("Data center", cli.INTERRUPT)]
    code, shown = await cli.conversation("init", answers=reported, cwd=program.cwd, **program.settings)
    assert (code, shown.endswith(": \r\n"), shown.endswith("\r\n\r\n")) == (130, True, False)


@pytest.mark.process
async def test_ctrl_c_while_something_is_done_ends_the_line(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        cli.COMMAND, "simulate", "--port", "0", cwd=tmp_path, env=cli.environment(), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while b"_simulator/edits" not in shown:
        shown += await asyncio.to_thread(os.read, ours, 10_000)
    process.send_signal(signal.SIGINT)
    assert (await asyncio.to_thread(cli._all_lines, ours))[-2:] == ["", ""]
    assert await process.wait() == 130
