"""Two daemons and three workers on one database: one is killed while it works, one is frozen and woken later."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cadence_sync.db.engine import open_engine
from cadence_sync.db.integrity import examine
from cadence_sync.db.queue import direct
from cadence_sync.simulator.server import running
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.daemon.processes import WAIT, daemon, settings, write_settings
from tests.support.invariants import broken

pytestmark = pytest.mark.long

ORGS = 12
OVERLAPPING = """
    SELECT a.org_id, a.run_id, b.run_id FROM cadence_sync.sync_runs AS a JOIN cadence_sync.sync_runs AS b USING (org_id)
    WHERE a.run_id < b.run_id AND a.outcome <> 'failed' AND b.outcome <> 'failed'
      AND b.started_at < a.finished_at AND b.finished_at > a.started_at
"""


async def until(said: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT):
        while not await said():
            await asyncio.sleep(0.1)


async def test_every_organization_is_synced_whatever_becomes_of_processes(database_url: str, tmp_path: Path) -> None:
    simulator = Simulator(orgs=ORGS, cadences=3, clock=SystemClock().now, settings=SimulatorSettings(latency=0.3))
    stack = AsyncExitStack()
    connection = await stack.enter_async_context(direct(database_url))

    async def good_since(moment: object) -> int:
        """Return how many organizations have a good run that began after a moment."""
        return int(
            await connection.fetchval(
                "SELECT count(DISTINCT org_id) FROM cadence_sync.sync_runs"
                " WHERE outcome = 'succeeded' AND started_at > $1",
                moment,
            )
        )

    async def all_since(moment: object) -> bool:
        return await good_since(moment) == ORGS

    async def runs_of(process: asyncio.subprocess.Process) -> bool:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM cadence_sync.sync_runs WHERE pid = $1 AND outcome IS NULL", process.pid
            )
        )

    async with stack, running(simulator) as url, AsyncExitStack() as daemons:
        write_settings(tmp_path, settings(database_url, url, ORGS, worker_concurrency=2))
        leader = await daemons.enter_async_context(daemon("serve", tmp_path))
        start = await connection.fetchval("SELECT 'epoch'::timestamptz")
        await until(lambda: all_since(start))
        for command in ("serve", "worker", "worker"):
            await daemons.enter_async_context(daemon(command, tmp_path))
        killed = await daemons.enter_async_context(daemon("worker", tmp_path))
        await until(lambda: runs_of(killed))
        killed.kill()
        killed_at = await connection.fetchval("SELECT clock_timestamp()")
        await until(lambda: all_since(killed_at))
        leader.send_signal(signal.SIGSTOP)
        frozen_at = await connection.fetchval("SELECT clock_timestamp() + interval '12 seconds'")
        await until(lambda: all_since(frozen_at))
        leader.send_signal(signal.SIGCONT)
        woken_at = await connection.fetchval("SELECT clock_timestamp()")
        await until(lambda: all_since(woken_at))
    async with direct(database_url) as after:
        assert await after.fetch(OVERLAPPING) == []
        assert await after.fetch("SELECT * FROM cadence_queue.pgqueuer WHERE status = 'picked'") == []
    assert await broken(database_url) == {}
    async with open_engine(database_url) as engine:
        assert [finding.what for finding in await examine(engine) if not finding.ok] == []
