"""Secrets appear in no output, on a terminal or piped, whatever goes wrong."""

import asyncio
import os
import pty
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.ports import AccessToken
from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program
from tests.support import cli
from tests.support.invariants import rows
from tests.support.lab import START

SECRETS = {
    "ZOHO_CLIENT_SECRET": "client-secret-4711",
    "ZOHO_REFRESH_TOKEN": "refresh-token-4712",
    "ENCRYPTION_KEYS": "a-key-for-the-cache-4713",
    "WEB_TOKEN": "the-web-token-4714",
}
PASSWORD = "db-password-4715"
TOKEN = "access-token-4716"
ALL = (*SECRETS.values(), PASSWORD, TOKEN)


def leaks(*texts: str) -> list[str]:
    """Return the secrets that stand in these texts, as they are or as Postgres writes bytes."""
    return [s for s in ALL if any(spelling in text for spelling in (s, s.encode().hex()) for text in texts)]


async def on_terminal(program: Program, *arguments: str, **changes: str | None) -> str:
    """Run the command on a terminal of its own and return all that it shows."""
    leader, follower = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        cli.COMMAND,
        *arguments,
        cwd=program.cwd,
        env=cli.environment(**(program.settings | changes)) | {"TERM": "xterm", "COLUMNS": "200"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(cli.PATIENCE):
        while True:
            try:
                chunk = await loop.run_in_executor(None, os.read, leader, 65536)
            except OSError:  # Linux's way to say that nobody holds the other end
                break
            if not chunk:
                break
            shown += chunk
        await process.wait()
    os.close(leader)
    return shown.decode(errors="replace")


@pytest.fixture
async def secretive(program: Program, plain_zoho: PlainZoho) -> Program:
    program.settings |= SECRETS | {"LOG_LEVEL": "DEBUG", "ZOHO_MAX_ATTEMPTS": "1"}
    plain_zoho.token = TOKEN
    return program


FAULTS: list[dict[str, str]] = [
    {},
    {"ZOHO_API_URL": "http://127.0.0.1:9"},
    {"DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:9/x"},
    {"DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:abc/x"},
    {"DATABASE_URL": f"mysql://u:{PASSWORD}@127.0.0.1/x"},
    {"ZOHO_TIMEOUT": "inf"},
    {"ZOHO_ACCOUNTS_URL": "https://a..b"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=[str(fault) for fault in FAULTS])
async def test_no_secret_is_shown(secretive: Program, fault: dict[str, str]) -> None:
    piped = await secretive.run("sync", "--json", **fault)
    plain = await secretive.run("--debug", "status", **fault)
    shown = await on_terminal(secretive, "--debug", "sync", **fault)
    assert leaks(piped.out, piped.err, plain.out, plain.err, shown) == []
    assert piped.out
    assert shown


DEFECT = """
import cadence_sync.zoho.http as http

usual = http.Http.request

async def broken(self, method, url, *, counted=False, **how):
    if method != {method!r}:
        return await usual(self, method, url, counted=counted, **how)
    raise KeyError({text})

http.Http.request = broken
"""
"""Secrets are in `how`: those of the credentials in a POST, the access token in a GET."""


@pytest.fixture
def defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Let a request of this method fail as no code should, with a text that is written as Python."""

    def inject(method: str, text: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(DEFECT.format(method=method, text=text))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return inject


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_defect_shows_a_traceback_and_no_secret(
    secretive: Program, defect: Callable[[str, str], None], method: str
) -> None:
    defect(method, "'a defect'")
    shown = await on_terminal(secretive, "--debug", "sync")
    piped = await secretive.run("--debug", "sync", "--json")
    for text in (shown, piped.err):
        assert "Traceback" in text
        assert "a defect" in text
    silent = await secretive.run("sync")
    assert (silent.code, "Traceback" in silent.err, "Error: Unexpected KeyError." in silent.err) == (1, False, True)
    assert leaks(shown, piped.out, piped.err, silent.out, silent.err) == []


async def test_the_text_of_a_defect_may_hold_anything_and_stays_out_of_reports(
    secretive: Program, defect: Callable[[str, str], None]
) -> None:
    defect("POST", "repr(how)")
    piped = await secretive.run("sync", "--json")
    assert piped.json[0]["error"]["message"] == "Unexpected KeyError."
    listed, status = await secretive.run("status"), await secretive.run("status", "--json")
    assert leaks(piped.out, listed.out, listed.err, status.out, status.err) == []
    assert leaks(*await stored(secretive)) == []


def test_what_carries_secrets_does_not_show_them() -> None:
    carriers = (
        OrgConfig("a", "us", "id", SECRETS["ZOHO_CLIENT_SECRET"], SECRETS["ZOHO_REFRESH_TOKEN"]),
        AccessToken(TOKEN, "https://a.test", START),
    )
    assert leaks(*(f"{carrier!r} {carrier}" for carrier in carriers)) == []


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False)])
async def test_secrets_that_others_may_read_are_warned_of(program: Program, mode: int, warned: bool) -> None:
    file = program.cwd / "cadence-sync.toml"
    file.write_text(f'zoho_client_secret = "{SECRETS["ZOHO_CLIENT_SECRET"]}"')
    file.chmod(mode)
    result = await program.run("status", "--json")
    assert (result.code, result.json) == (0, [])
    assert ("Other users of this machine may read" in result.err) is warned
    assert (f"chmod 600 {file}" in result.err) is warned
    assert leaks(result.err) == []


async def test_no_secret_stands_in_the_process_list(secretive: Program, simulator: Simulator) -> None:
    process = await secretive.start("sync")
    async with asyncio.timeout(cli.PATIENCE):
        while not (listed := " ".join(psutil.Process(process.pid).cmdline())):
            await asyncio.sleep(0.01)  # the kernel shows none of a program that it is just loading
    await process.communicate()
    assert "sync" in listed
    assert leaks(listed) == []
    assert simulator is not None


async def test_no_secret_stands_in_a_row_in_the_clear(secretive: Program) -> None:
    assert (await secretive.run("sync")).code == 0
    found = await stored(secretive)
    assert any("succeeded" in row for row in found)
    assert leaks(*found) == []


async def stored(program: Program) -> list[str]:
    """Return every row of every table as text."""
    url = program.settings["DATABASE_URL"]
    assert url is not None
    tables = await rows(url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'cadence_sync'")
    found = [
        await rows(url, f"SELECT t::text, to_jsonb(t)::text FROM cadence_sync.{t['table_name']} t") for t in tables
    ]
    return [str(value) for table in found for row in table for value in row.values()]
