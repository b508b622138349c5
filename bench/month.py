"""`make bench-month`: a month of a fleet in minutes: memory stays flat, and the ledger does not grow without end.

The clock of the syncs and of the simulated Zoho is set forward between rounds; queue, worker, store and pruning are the
real ones. Tokens end within the hour, so each round asks for new ones.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import psutil

from bench.place import database
from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.daemon import queue
from cadence_sync.daemon.migration import migrate
from cadence_sync.daemon.worker import Worker
from cadence_sync.db.engine import PoolSize, open_engine
from cadence_sync.db.integrity import examine
from cadence_sync.db.pruning import prune
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials

ORGS, CADENCES, DAYS, ROUNDS = 200, 10, 30, 4
KEEP = timedelta(days=14)
EDITS = 20
"""Organizations with an edit in each round."""
FLAT = 1.15
"""Allowed growth of the process from the first week to the end of the month, as a factor."""


@dataclass
class Fast:
    """A clock that jumps."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


def org(number: int, url: str) -> OrgConfig:
    """Returns the settings of a simulated organization."""
    known = credentials(number)
    return OrgConfig(f"org-{number}", "us", known.client_id, known.client_secret, known.refresh_token, url, url)


async def main() -> int:
    """Runs the month and prints its traces; returns 1 if they exceed a limit."""
    clock, me = Fast(), psutil.Process()
    simulator = Simulator(ORGS, CADENCES, clock=clock.now)
    memory: list[int] = []
    with database() as (url, _):
        async with (
            open_engine(url, PoolSize.of_daemon(18, direct=True), direct=True) as engine,
            running(simulator) as zoho,
        ):
            await migrate(engine)
            connection = await asyncpg.connect(url)
            async with wiring.sync_factory(Settings(), engine, clock=clock) as sync_of:

                async def sync_org(due: queue.SyncJob, _attempts: int) -> bool:
                    report = await sync_of(org(int(due.org_id[4:]), zoho)).run(due.trigger)
                    if report.error is not None:
                        raise RuntimeError(report.error.message)
                    return True

                worker = Worker(url, sync_org, 16, 0)
                working = asyncio.create_task(worker.run())
                for number in range(DAYS * ROUNDS):
                    clock.time += timedelta(days=1) / ROUNDS
                    for edited in range(EDITS):
                        simulator.edit(1, (number * EDITS + edited) % ORGS)
                    await queue.enqueue(connection, [queue.SyncJob(f"org-{n}", "us", "month") for n in range(ORGS)])
                    async with asyncio.timeout(120):
                        while await connection.fetchval("SELECT count(*) FROM cadence_queue.pgqueuer"):  # noqa: ASYNC110
                            await asyncio.sleep(0.02)
                    if number % ROUNDS == 0:
                        await prune(engine, clock.now(), KEEP)
                        memory.append(me.memory_info().rss)
                await worker.drain(10)
                await working
            runs = await connection.fetchval("SELECT count(*) FROM cadence_sync.sync_runs")
            changed = await connection.fetchval("SELECT count(DISTINCT run_id) FROM cadence_sync.cadence_versions")
            versions = await connection.fetchval("SELECT count(*) FROM cadence_sync.cadence_versions")
            polls = runs + await connection.fetchval("SELECT coalesce(sum(runs), 0) FROM cadence_sync.daily_runs")
            await connection.close()
            whole = all(finding.ok for finding in await examine(engine))
    # A run that changed something stays, and so does the good one before it.
    most = ORGS * (KEEP.days + 1) * ROUNDS + 2 * changed + 3 * ORGS
    growth = memory[-1] / memory[6]
    print(
        f"{polls:,} polls of {ORGS} organizations in {DAYS} days; {versions:,} versions; the history is whole: {whole}"
    )
    print(f"runs in the ledger: {runs:,}, at most {most:,}")
    week, month = memory[6] >> 20, memory[-1] >> 20
    print(f"memory after a week {week} MB, after the month {month} MB: {growth:.2f} x, at most {FLAT}")
    return 0 if whole and polls == DAYS * ROUNDS * ORGS and runs <= most and growth <= FLAT else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
