"""The first commands of a new user name the next one to type."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tests.support import cli
from tools.terminal import Terminal

NOBODY = dict.fromkeys(("ZOHO_CLIENT_ID", "ZOHO_CLIENT_SECRET", "ZOHO_REFRESH_TOKEN"))


@pytest.mark.parametrize("command", ["sync", "doctor"])
async def test_without_credentials_init_is_named(program: Program, command: str) -> None:
    result = await program.run(command, **NOBODY)
    assert (result.code, "`cadence-sync init`" in result.out + result.err) == (2, True)


async def test_a_daemon_without_organizations_names_init(program: Program) -> None:
    process = await program.start("serve", **NOBODY, WEB_PORT="0")
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"no_orgs" not in (line := await process.stderr.readline()):
            assert line
        process.terminate()
        await process.communicate()
    assert "`cadence-sync init`" in json.loads(line)["hint"]


async def test_a_refresh_token_that_zoho_does_not_know_says_how_to_make_one(program: Program) -> None:
    result = await program.run("sync", ZOHO_REFRESH_TOKEN="gone")
    assert (result.code, "cadence-sync init" in result.err, "org add ID --replace" in result.err) == (3, True, True)


async def test_who_does_not_answer_is_named_with_the_port(program: Program) -> None:
    result = await program.run("sync", ZOHO_MAX_ATTEMPTS="1", ZOHO_ACCOUNTS_URL="http://127.0.0.1:9")
    assert "There is no connection to 127.0.0.1:9." in result.err


@pytest.mark.process
async def test_the_demo_suggests_commands_that_work_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a checkout, where PATH does not find the program."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/cadence-sync").symlink_to(cli.COMMAND)
    monkeypatch.setattr(cli, "COMMAND", Path(".venv/bin/cadence-sync"))
    shown = await cli.run("demo", cwd=tmp_path)
    suggested = re.findall(r"^  (\S*cadence-sync .+)$", shown.out, re.MULTILINE)
    assert [line.split()[:2] for line in suggested] == [
        [".venv/bin/cadence-sync", command] for command in ("simulate", "migrate", "sync")
    ]
    simulate, *others = suggested
    terminal = Terminal(tmp_path / "state", cli.environment(DATA_DIR=str(tmp_path / "data")))
    with terminal.left_running(f"{simulate} --port 0", "/edits") as printed:
        exported = "\n".join(line for line in printed.splitlines() if line.startswith("export "))
        assert ".venv/bin/cadence-sync migrate && .venv/bin/cadence-sync sync" in printed
        code, said = terminal.run("\n".join([exported, *others]))
    assert code == 0, said
