"""A role that may create objects in `public` makes no command, daemon or page call any of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from cadence_sync.config.settings import Settings
from cadence_sync.db.engine import open_engine
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.web.app import web_ui_app
from cadence_sync.wiring import SystemClock
from tests.alerts.post import SECRET
from tests.alerts.receiver import receiving
from tests.cli.conftest import Program
from tests.daemon.processes import WAIT, daemon
from tests.support import cli
from tests.support.pooling import pooled
from tests.support.shadows import is_called, shadow

PAGES = (
    "/", "/attention", "/organization?org=default", "/cadences", "/cadences?search=a&org=default", "/cadences.csv",
    "{cadence}", "{cadence}/versions?from=1&to=2", "{cadence}/at?on=2026-06-01", "/past?on=now", "/past",
    "/past?on={today}", "/past.csv?on={today}", "/past/difference?from=2020-01-01&to={today}", "/changes",
    "/changes?search=a&field=name", "/changes.atom", "/runs", "/runs?outcome=changed", "/runs/1", "/runs/4", "/audit",
)  # fmt: skip


@pytest.fixture(params=["direct", pytest.param("pooled", marks=pytest.mark.long)])
async def shadowed(
    request: pytest.FixtureRequest, simulator: Simulator, empty_database_url: str, tmp_path: Path
) -> AsyncIterator[Program]:
    await shadow(empty_database_url)
    behind = nullcontext(empty_database_url) if request.param == "direct" else pooled(empty_database_url)
    async with behind as url, running(simulator) as zoho:
        direct = {"DATABASE_DIRECT_URL": empty_database_url} if request.param == "pooled" else {}
        yield Program(tmp_path, cli.zoho_settings(zoho, DATABASE_URL=url, **direct))
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("DROP OWNED BY shadow CASCADE")
    await connection.close()


async def test_no_command_and_no_page_calls_what_a_stranger_made(
    shadowed: Program, simulator: Simulator, empty_database_url: str
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    org = simulator.orgs[0]

    async def run(*arguments: str, code: int = 0) -> None:
        result = await shadowed.run(*arguments)
        assert (result.code, await is_called(connection)) == (code, False), (arguments, result.err)

    await run("migrate")
    await run("migrate")
    await run("sync")
    cadence_id, user = edited(simulator)
    await run("sync")
    for kept in list(org.cadences)[:8]:
        if kept != cadence_id:
            org.deleted[kept] = org.cadences.pop(kept)
    org.touch()
    await run("sync", code=6)
    await run("sync", code=6)
    await run("approve", "4")
    await run("sync")
    await run("sync")
    await run("status")
    await run("list")
    await run("show", cadence_id)
    await run("history", cadence_id)
    await run("blame", cadence_id)
    await run("diff", "--from", "2020-01-01T00:00Z", "--to", "now")
    await run("export")
    await run("export", "--git", "replayed")
    await run("redact-person", user)
    await run("prune")
    await run("doctor", "--deep")
    await look_at_pages(shadowed.settings["DATABASE_URL"] or "", f"/cadences/default/{cadence_id}")
    assert not await is_called(connection)
    await live_as_a_daemon(shadowed, simulator, connection)
    assert not await is_called(connection)
    await connection.close()


def edited(simulator: Simulator) -> tuple[str, str]:
    """Edit some cadences; return the id of one of them, and that of a user."""
    simulator.edit(10)
    return str(simulator.edit_one("rename").cadence_id), simulator.orgs[0].users[0].id


async def look_at_pages(url: str, cadence: str) -> None:
    async def ask(_org_id: str) -> str:
        return "entered"

    today = SystemClock().now().date().isoformat()
    async with open_engine(url) as engine:
        app = web_ui_app(Settings(), engine, SystemClock(), ask)
        async with TestClient(TestServer(app)) as client:
            for page in PAGES:
                response = await client.get(page.format(cadence=cadence, today=today))
                assert response.status in {200, 400}, (page, await response.text())


async def live_as_a_daemon(program: Program, simulator: Simulator, connection: asyncpg.Connection) -> None:
    """Let scheduler, worker and alerts do something."""
    before = await connection.fetchval("SELECT max(run_id) FROM cadence_sync.sync_runs")
    async with receiving() as receiver:
        alerts = f'[alerts.channels.hook]\nwebhook = "{receiver.url}/hook"\nsecret = "{SECRET}"\n'
        settings = "".join(f'{name.lower()} = "{value}"\n' for name, value in program.settings.items())
        file = program.cwd / "cadence-sync.toml"
        file.write_text(settings + 'sync_interval = "1s"\nweb_port = 0\n' + alerts)
        file.chmod(0o600)
        simulator.edit_one("rename")
        async with daemon("serve", program.cwd):
            await receiver.until(1)
            async with asyncio.timeout(WAIT):
                while (
                    await connection.fetchval(
                        "SELECT count(*) FROM cadence_sync.sync_runs"
                        " WHERE run_id OPERATOR(pg_catalog.>) $1 AND outcome IS NOT NULL",
                        before,
                    )
                    < 3
                ):
                    await asyncio.sleep(0.1)
