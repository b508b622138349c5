"""Secrets appear in no output, on a terminal or piped, whatever goes wrong."""

import asyncio
import os
import pty
from pathlib import Path

import pytest

from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program
from tests.support import cli

SECRETS = {
    "ZOHO_CLIENT_SECRET": "client-secret-4711",
    "ZOHO_REFRESH_TOKEN": "refresh-token-4712",
    "SECRET_KEYS": "a-key-for-the-cache-4713",
    "WEB_TOKEN": "web-token-4714",
}
PASSWORD = "db-password-4715"
TOKEN = "access-token-4716"
ALL = (*SECRETS.values(), PASSWORD, TOKEN)


def leaks(*texts: str) -> list[str]:
    return [secret for secret in ALL if any(secret in text for text in texts)]


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
    program.settings |= SECRETS | {"LOG_LEVEL": "DEBUG", "ZOHO_ATTEMPTS": "1"}
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


async def test_a_defect_shows_a_traceback_and_no_secret(
    secretive: Program, plain_zoho: PlainZoho, tmp_path: Path
) -> None:
    plain_zoho.body = b'{"cadences": [], "info": {"per_page": 1, "count": 0, "page": 1, "more_records": false}}'
    (tmp_path / "sitecustomize.py").write_text(
        "import cadence_sync.zoho.client as c\n"
        "def broken(*a):\n    raise KeyError('a defect')\n"
        "c.decode_page = broken\n"
    )
    changes = {"PYTHONPATH": str(tmp_path)}
    shown = await on_terminal(secretive, "sync", **changes)
    assert leaks(shown) == []


async def test_no_secret_stands_in_the_process_list(secretive: Program, simulator: Simulator) -> None:
    process = await secretive.start("sync")
    listed = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    await process.communicate()
    assert "sync" in listed
    assert leaks(listed) == []
    assert simulator is not None


async def test_no_secret_stands_in_a_row_in_the_clear(secretive: Program) -> None:
    import asyncpg  # noqa: PLC0415 - only this test speaks to the database itself

    assert (await secretive.run("sync")).code == 0
    connection = await asyncpg.connect(secretive.settings["DATABASE_URL"])
    tables = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'cadence_sync'"
    )
    for table in tables:
        rows = await connection.fetch(f"SELECT t::text, to_jsonb(t)::text FROM cadence_sync.{table[0]} t")
        assert leaks(*(str(value) for row in rows for value in row)) == [], table
    await connection.close()
