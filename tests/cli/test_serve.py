"""The daemons as processes: what they answer, when they are ready, and how they end."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.cli.conftest import Program
from tests.support import cli


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answer(port: int, path: str) -> tuple[int, str]:
    """Ask a daemon, once it answers at all."""
    async with asyncio.timeout(cli.PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                    return response.status, await response.text()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def until_ready(port: int) -> None:
    async with asyncio.timeout(cli.PATIENCE):
        while (await answer(port, "/readyz"))[0] != 200:
            await asyncio.sleep(0.05)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, list[dict[str, Any]]]:
    """Stop a daemon and return its exit code and what it logged."""
    process.terminate()
    async with asyncio.timeout(cli.PATIENCE):
        _, err = await process.communicate()
    return process.returncode, [json.loads(line) for line in err.splitlines() if line.startswith(b"{")]


async def test_a_daemon_syncs_tells_and_ends(program: Program, database_url: str) -> None:
    port = free_port()
    process = await program.start("serve", WEB_PORT=str(port), SYNC_INTERVAL="1s")
    await until_ready(port)
    assert (await answer(port, "/healthz"))[0] == 200
    assert "<h1>Overview</h1>" in (await answer(port, "/"))[1]
    async with asyncio.timeout(cli.PATIENCE):
        while (
            'cadence_sync_runs_total{data_center="us",outcome="succeeded",trigger="schedule"} 3.0'
            not in (await answer(port, "/metrics"))[1]
        ):
            await asyncio.sleep(0.05)
    metrics = (await answer(port, "/metrics"))[1]
    assert "cadence_sync_scheduler_leading 1.0" in metrics
    assert 'cadence_sync_token_refreshes_total{result="succeeded"} 1.0' in metrics
    code, events = await ended(process)
    assert code == 143
    finished = [event for event in events if event["event"] == "sync_finished"]
    assert len(finished) >= 3
    assert {(event["org_id"], event["outcome"]) for event in finished} == {("default", "succeeded")}
    assert all(event["run_id"] for event in finished)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM cadence_sync.sync_runs WHERE outcome IS NULL") == 0
    await connection.close()


async def test_a_worker_beside_it_answers_too(program: Program) -> None:
    port = free_port()
    process = await program.start("worker", WORKER_PORT=str(port))
    await until_ready(port)
    assert "cadence_sync_build_info" in (await answer(port, "/metrics"))[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nno header at all\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    code, events = await ended(process)
    assert (code, [event for event in events if event["level"] == "error"]) == (143, [])


async def test_a_database_that_goes_away_makes_it_unready_and_not_dead(program: Program, database_url: str) -> None:
    port = free_port()
    process = await program.start("serve", WEB_PORT=str(port), SYNC_INTERVAL="1h")
    await until_ready(port)
    connection = await asyncpg.connect(database_url)
    await connection.execute("ALTER TABLE cadence_sync.alembic_version RENAME TO away")
    async with asyncio.timeout(cli.PATIENCE):
        while (found := await answer(port, "/readyz"))[0] == 200:  # for a second it may be the last answer
            await asyncio.sleep(0.05)
    assert (found[0], "has no tables" in found[1]) == (503, True)
    assert (await answer(port, "/healthz"))[0] == 200
    await connection.execute("ALTER TABLE cadence_sync.away RENAME TO alembic_version")
    await until_ready(port)
    await connection.close()
    assert (await ended(process))[0] == 143


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_what_cannot_work_is_said_at_once(program: Program, database_url: str, command: str) -> None:
    result = await program.run(command, WEB_HOST="0.0.0.0", WORKER_PORT="1")  # noqa: S104 - it must be refused
    assert (result.code, "needs CADENCE_SYNC_WEB_TOKEN" in result.err) == (2, True)
    proxied = await program.run(command, WEB_USER_HEADER="X-User", WEB_TRUSTED_PROXIES="10.0.0.0/8", WORKER_PORT="1")
    assert (proxied.code, "needs CADENCE_SYNC_WEB_TRUSTED_PROXIES" in proxied.err) == (2, True)
    if command == "serve":
        for settings in ({"SYNC_CRON": "every day"}, {"SYNC_TIME_ZONE": "Mars/Base"}):
            result = await program.run(command, **settings)
            assert (result.code, "cannot work" in result.err) == (2, True)
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP SCHEMA cadence_queue CASCADE")
    await connection.close()
    result = await program.run(command)
    assert (result.code, "has no queue" in result.err, "cadence-sync migrate" in result.err) == (5, True, True)


@pytest.mark.long
async def test_an_organization_that_is_added_is_synced_without_a_restart(
    program: Program, database_url: str, tmp_path: Path
) -> None:
    """Also one whose credentials this daemon cannot open: that is a failed run, and the others go on."""
    port, keys = free_port(), "a-key-of-some-length"
    (tmp_path / "token").write_text(program.settings["ZOHO_REFRESH_TOKEN"] or "")
    program.settings |= {"ZOHO_REFRESH_TOKEN": None, "ENCRYPTION_KEYS": keys}
    process = await program.start("serve", WEB_PORT=str(port), SYNC_INTERVAL="1s")
    await until_ready(port)
    added = await program.run("org", "add", "late", "--refresh-token-file", str(tmp_path / "token"))
    assert added.code == 0, added.err
    connection = await asyncpg.connect(database_url)
    runs = "SELECT count(*) FROM cadence_sync.sync_runs WHERE org_id = $1 AND outcome = $2"

    async def until(org_id: str, outcome: str) -> None:
        async with asyncio.timeout(cli.PATIENCE):
            while not await connection.fetchval(runs, org_id, outcome):
                await asyncio.sleep(0.05)

    await until("late", "succeeded")
    other = {"ENCRYPTION_KEYS": "another-key-of-some-length"}
    added = await program.run("org", "add", "sealed", "--refresh-token-file", str(tmp_path / "token"), **other)
    assert added.code == 0, added.err
    await until("sealed", "failed")
    assert await connection.fetchval("SELECT consecutive_failures FROM cadence_sync.orgs WHERE org_id = 'sealed'") >= 1
    await connection.close()
    failed = 'cadence_sync_runs_total{data_center="us",outcome="failed",trigger="schedule"} 1.0'
    async with asyncio.timeout(cli.PATIENCE):
        while failed not in (await answer(port, "/metrics"))[1]:
            await asyncio.sleep(0.05)
    code, events = await ended(process)
    assert code == 143
    assert "no_orgs" in [event["event"] for event in events]
    assert [event["org_id"] for event in events if event.get("outcome") == "failed"] == ["sealed"]


async def test_what_a_person_asks_for_is_done_by_a_worker(program: Program, database_url: str) -> None:
    for state in ("entered", "moved ahead"):
        asked = await program.run("sync", "--queue", "--json")
        assert (asked.code, asked.json) == (0, [{"org_id": "default", "state": state}])
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE cadence_queue.pgqueuer SET status = 'picked', heartbeat = now()")
    asked = await program.run("sync", "--queue")
    assert (asked.code, asked.out.splitlines()[1:]) == (0, ["default\trunning"])
    await connection.execute("UPDATE cadence_queue.pgqueuer SET status = 'queued'")
    process = await program.start("worker")
    async with asyncio.timeout(cli.PATIENCE):
        while (
            await connection.fetchval("SELECT trigger FROM cadence_sync.sync_runs WHERE outcome = 'succeeded'") is None
        ):
            await asyncio.sleep(0.05)
    assert await connection.fetchval("SELECT trigger FROM cadence_sync.sync_runs") == "request"
    await connection.close()
    assert (await ended(process))[0] == 143


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--dry-run"], "leaves the work to a worker"), (["--org", "nobody"], "There is no organization 'nobody'")],
)
async def test_what_cannot_be_asked_for(program: Program, arguments: list[str], words: str) -> None:
    result = await program.run("sync", "--queue", *arguments)
    assert (result.code, words in result.err, result.out) == (2, True, "")
