"""Some organizations fail, each in its own way: the others are on time, and those that are mended come back."""

import asyncio
from pathlib import Path

import pytest

from cadence_sync.db.queue import direct
from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.daemon.processes import WAIT, daemon, settings, write_settings
from tests.support import cli

pytestmark = pytest.mark.long

GOOD = 12
FOREVER = 10_000
FAULTS = [
    Fault("status", FOREVER, status=500),
    Fault("status", FOREVER, status=403, code="NO_PERMISSION"),
    Fault("status", FOREVER, status=401, code="OAUTH_SCOPE_MISMATCH"),
    Fault("body", FOREVER, body=b"<html>Login</html>"),
    Fault("status", FOREVER, status=400, code="invalid_code", target="token"),
    Fault("body", FOREVER, body=b"", delay=5),
]
LEAST = "SELECT min(good) FROM (SELECT count(*) FROM cadence_sync.sync_runs WHERE {} GROUP BY org_id) AS runs (good)"


async def test_the_others_are_on_time(database_url: str, tmp_path: Path) -> None:
    simulator = Simulator(orgs=GOOD + len(FAULTS), cadences=3, clock=SystemClock().now)
    for number, fault in enumerate(FAULTS):
        simulator.faults.add(Fault(**{name: getattr(fault, name) for name in fault.__slots__} | {"org": GOOD + number}))
    async with running(simulator) as url, direct(database_url) as connection:

        async def until(statement: str, least: int) -> None:
            async with asyncio.timeout(WAIT):
                while (await connection.fetchval(statement) or 0) < least:
                    await asyncio.sleep(0.1)

        text = settings(
            database_url, url, len(simulator.orgs), worker_concurrency=8, zoho_max_attempts=2, zoho_timeout=3
        )
        write_settings(tmp_path, text)
        async with daemon("serve", tmp_path):
            await until("SELECT count(*) FROM cadence_sync.orgs WHERE consecutive_failures > 0", len(FAULTS))
            await until(LEAST.format("outcome = 'succeeded'"), 8)
            failed = await connection.fetch(
                "SELECT org_id, count(*), max(error_code) FROM cadence_sync.sync_runs"
                " WHERE outcome = 'failed' GROUP BY 1"
            )
            assert {row["org_id"] for row in failed} == {f"org-{GOOD + number}" for number in range(len(FAULTS))}
            assert len({row["max"] for row in failed}) >= 4
            # The next attempt is two minutes away; a second one only where it was due just as the first one failed.
            assert max(row["count"] for row in failed) <= 2
            simulator.faults.clear()
            asked = await cli.run("sync", "--queue", "--org", f"org-{GOOD}", cwd=tmp_path)
            assert asked.code == 0, asked.err
            # It is mended, and polled as often as the others again.
            await until(
                f"SELECT count(*) FROM cadence_sync.sync_runs WHERE org_id = 'org-{GOOD}' AND outcome = 'succeeded'", 3
            )
