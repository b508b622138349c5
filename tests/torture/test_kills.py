"""kill -9 at random instants over a changing organization: the history is that of an undisturbed run."""

import asyncio
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import open_engine
from cadence_sync.db.integrity import examine
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.support import cli
from tests.support.lab import Lab

KILLS = int(os.environ.get("CADENCE_SYNC_TORTURE_KILLS", "6"))
SEED = int(os.environ.get("CADENCE_SYNC_TORTURE_SEED", "7"))
VERSIONS = """
    SELECT cadence_id, version, kind, document, raw::text AS raw FROM cadence_sync.cadence_versions ORDER BY 1, 2
"""
CHANGES = """
    SELECT cadence_id, version, kind, field, old_value, new_value, changed_by_id
    FROM cadence_sync.cadence_changes ORDER BY 1, 2, 4
"""
RUNS = "SELECT outcome, error_code FROM cadence_sync.sync_runs WHERE outcome IS DISTINCT FROM 'succeeded'"


async def history(engine: AsyncEngine) -> list[list[dict[str, Any]]]:
    lab = Lab(engine)
    return [await lab.rows(VERSIONS), await lab.rows(CHANGES)]


async def killed(cwd: Path, moment: float, settings: dict[str, str | None]) -> bool:
    """Start a sync and kill it after so many seconds; returns whether it was still alive then."""
    process = await cli.start("sync", cwd=cwd, **settings)
    try:
        async with asyncio.timeout(moment):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):  # it ended in that instant
            process.kill()
    await process.communicate()
    return process.returncode == -9


async def test_kills_at_random_instants_neither_lose_nor_invent_history(
    database_url: str, second_database_url: str, tmp_path: Path
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    simulator = Simulator(cadences=30, seed=SEED, clock=SystemClock().now)
    simulator.change_settings(latency=0.02)
    hit = 0
    async with (
        running(simulator) as url,
        open_engine(database_url) as disturbed,
        open_engine(second_database_url) as calm,
    ):
        settings = cli.zoho_settings(url, DATABASE_URL=database_url, ZOHO_PER_PAGE="10", DELETE_THRESHOLD_PERCENT="100")
        others = settings | {"DATABASE_URL": second_database_url}
        for _ in range(KILLS):
            simulator.edit(rng.randint(0, 3))
            hit += await killed(tmp_path, rng.uniform(0.2, 1.4), settings)
            for each in (settings, others):
                result = await cli.run("sync", cwd=tmp_path, **each)
                assert result.code == 0, result.err
        assert hit > 0, "no kill met a living process"
        assert await history(disturbed) == await history(calm)
        assert [finding.what for finding in await examine(disturbed) if not finding.ok] == []
        unfinished = await Lab(disturbed).rows(RUNS)
        assert {(run["outcome"], run["error_code"]) for run in unfinished} <= {("failed", "ABANDONED")}
