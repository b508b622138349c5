"""`make bench-fleet`: many organizations that changed nothing, through the queue and real workers.

The simulator of Zoho and Postgres run on the same machine and take their share of it. The queue's own WAL is measured
apart, with jobs that do nothing.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import psutil

from bench.place import COMMAND, database
from cadence_sync import wiring
from cadence_sync.config.orgs import configured_orgs
from cadence_sync.config.settings import load_settings
from cadence_sync.daemon import queue
from cadence_sync.daemon.migration import migrate
from cadence_sync.daemon.worker import Worker
from cadence_sync.db.engine import PoolSize, open_engine
from cadence_sync.simulator.tokens import credentials
from tests.support.wire import counted

CADENCES = 50
ROUNDS = 3
SLOW = 0.25
"""Seconds of Zoho's latency in the comparison of workers, whose time it dominates."""
SOME = 20
WATCHED = 5
"""Length in intervals of the measurement with failing organizations."""
FAULTS: list[dict[str, object]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 403, "code": "NO_PERMISSION"},
    {"kind": "status", "status": 401, "code": "OAUTH_SCOPE_MISMATCH"},
    {"kind": "body", "body": "<html>Login</html>"},
    {"kind": "status", "status": 400, "code": "invalid_code", "target": "token"},
    {"kind": "body", "body": "", "delay": 60},
]
GAP = """
    SELECT extract(epoch FROM max(until - started_at)) FROM (
        SELECT started_at, coalesce(lead(started_at) OVER (PARTITION BY org_id ORDER BY started_at), now()) AS until
        FROM cadence_sync.sync_runs WHERE outcome = 'succeeded'
    ) AS gaps
"""


@dataclass(frozen=True)
class Stretch:
    """The cost of polling all organizations once."""

    orgs: int
    seconds: float
    memory: int
    wal: int

    @property
    def speed(self) -> float:
        return self.orgs / self.seconds


def settings(url: str, zoho: str, orgs: int) -> str:
    """Returns a settings file in which nothing is due by schedule."""
    lines = [
        f'database_url = "{url}"',
        f'zoho_api_url = "{zoho}"',
        f'zoho_accounts_url = "{zoho}"',
        f'zoho_client_id = "{credentials(0).client_id}"',
        f'zoho_client_secret = "{credentials(0).client_secret}"',
        'log_level = "ERROR"',
    ]
    for number in range(orgs):
        lines += [f"[orgs.org-{number:05}]", f'zoho_refresh_token = "{credentials(number).refresh_token}"']
    return "\n".join(lines)


@asynccontextmanager
async def process(*arguments: str, cwd: Path, says: bytes | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs a command in the background; enters once it prints a line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CADENCE_SYNC_")}
    out = asyncio.subprocess.PIPE if says else None
    running = await asyncio.create_subprocess_exec(COMMAND, *arguments, cwd=cwd, env=environment, stdout=out)
    try:
        if says and running.stdout:
            while says not in await running.stdout.readline():
                pass
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()


async def poll(connection: asyncpg.Connection, orgs: int, pids: Sequence[int]) -> Stretch:
    """Makes all organizations due at once and waits until the queue is empty."""
    start = await connection.fetchval("SELECT pg_current_wal_lsn()")
    began = time.perf_counter()
    await queue.enqueue(connection, [queue.SyncJob(f"org-{n:05}", "us", "bench") for n in range(orgs)])
    async with asyncio.timeout(600):
        # Counting them, more often, would take a share of the machine that grows with the queue.
        while await connection.fetchval("SELECT EXISTS (SELECT FROM cadence_queue.pgqueuer)"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    seconds = time.perf_counter() - began
    wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)::bigint", start)
    memory = max((psutil.Process(pid).memory_info().rss for pid in pids), default=0)
    return Stretch(orgs, seconds, memory, wal)


async def best(connection: asyncpg.Connection, orgs: int, pids: Sequence[int]) -> Stretch:
    """Returns the fastest round: other processes only slow one down."""
    return min([await poll(connection, orgs, pids) for _ in range(ROUNDS)], key=lambda one: one.seconds)


async def few_and_many(orgs: int) -> tuple[float, Stretch]:
    """Returns the seconds of a fleet and of one five times as large, from the pair of rounds that differ least."""
    async with AsyncExitStack() as stack:
        fleets = []
        for size, port in ((orgs, 8913), (5 * orgs, 8914)):
            _, connection, cwd = await stack.enter_async_context(fleet(size, port=port))
            worker = await stack.enter_async_context(process("worker", cwd=cwd))
            fleets.append((connection, size, [worker.pid]))
        few, many = fleets
        rounds = []
        for _ in range(ROUNDS + 1):  # both last as long, so that other processes disturb both alike
            five = [await poll(*few) for _ in range(5)]
            rounds.append((sum(one.seconds for one in five) / 5, await poll(*many)))
    return min(rounds[1:], key=lambda both: both[1].seconds / both[0])


async def queue_alone(url: str, connection: asyncpg.Connection, orgs: int) -> Stretch:
    """Runs the same number of empty jobs."""

    async def nothing(_due: queue.SyncJob, _attempts: int) -> bool:
        return True

    worker = Worker(url, nothing, 16, 0)
    task = asyncio.create_task(worker.run())
    stretch = await poll(connection, orgs, [])
    await worker.drain(10)
    await task
    return stretch


async def round_trips(url: str, config: Path) -> float:
    """Returns the database round trips of a poll without a change."""
    chosen = load_settings(config)
    org = next(iter(configured_orgs(chosen).values()))
    if isinstance(org, Exception):
        raise org
    async with (
        counted(url) as (address, wire),
        open_engine(address, PoolSize.of_daemon(2, direct=True), direct=True) as engine,
        wiring.sync_factory(chosen, engine) as sync_of,
    ):
        for _ in range(3):
            await sync_of(org).run("bench")
        asked = wire.asked
        for _ in range(SOME):
            await sync_of(org).run("bench")
    return (wire.asked - asked) / SOME


@asynccontextmanager
async def fleet(
    orgs: int, latency: float = 0.0, port: int = 8913
) -> AsyncIterator[tuple[str, asyncpg.Connection, Path]]:
    """Yields a migrated database, a connection to it, and a folder whose settings name `orgs` organizations."""
    with tempfile.TemporaryDirectory() as folder, database() as (url, _):
        cwd = Path(folder)
        async with open_engine(url) as engine:
            await migrate(engine)
        simulate = ("simulate", "--port", str(port), "--orgs", str(orgs), "--cadences", str(CADENCES))
        async with process(*simulate, "--latency", str(latency), cwd=cwd, says=b"edits"):
            (cwd / "cadence-sync.toml").write_text(settings(url, f"http://127.0.0.1:{port}", orgs))
            (cwd / "cadence-sync.toml").chmod(0o600)
            connection = await asyncpg.connect(url)
            try:
                yield url, connection, cwd
            finally:
                await connection.close()


async def lateness(orgs: int) -> float:
    """Returns the longest time between two good runs of one organization, in intervals, while a tenth of them fail."""
    good, pause = orgs - orgs // 10, 60
    async with AsyncExitStack() as stack:
        url, connection, cwd = await stack.enter_async_context(fleet(orgs))
        async with aiohttp.ClientSession("http://127.0.0.1:8913") as zoho:
            for number in range(good, orgs):
                fault = FAULTS[number % len(FAULTS)] | {"org": number, "times": 10_000}
                (await zoho.post("/_simulator/faults", json=fault)).raise_for_status()
        text = settings(url, "http://127.0.0.1:8913", orgs)
        (cwd / "cadence-sync.toml").write_text(f'sync_interval = "{pause}s"\nweb_port = 0\n{text}')
        await stack.enter_async_context(process("serve", cwd=cwd))
        await asyncio.sleep(WATCHED * pause)
        gap = await connection.fetchval(GAP)
        failing = await connection.fetchval("SELECT count(*) FROM cadence_sync.orgs WHERE consecutive_failures > 0")
        synced = await connection.fetchval("SELECT count(*) FROM cadence_sync.orgs WHERE last_listed_at IS NOT NULL")
        if (failing, synced) != (orgs - good, good):
            raise RuntimeError(f"{failing} organizations fail and {synced} are synced")
    return float(gap) / pause


def tell(what: str, figure: str, goal: str, *, kept: bool) -> bool:
    """Prints one line of the table; returns whether its goal is met."""
    print(f"{what:<44} {figure:>14} {goal:>14}  {'kept' if kept else 'NOT KEPT'}", flush=True)
    return kept


async def main() -> int:
    """Measures and prints; returns 1 if a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orgs", type=int, default=1000)
    orgs = parser.parse_args().orgs
    kept = []
    async with fleet(orgs) as (url, connection, cwd):
        async with process("worker", cwd=cwd) as worker:
            await poll(connection, orgs, [])
            few = await best(connection, orgs, [worker.pid])
        idle = await queue_alone(url, connection, orgs)
        trips = await round_trips(url, cwd / "cadence-sync.toml")
    own, queues = (few.wal - idle.wal) / orgs, idle.wal / orgs
    kept.append(tell("organizations a second, one worker", f"{few.speed:.0f}", "40", kept=few.speed >= 40))
    kept.append(tell("memory of the worker", f"{few.memory / 2**20:.0f} MB", "200 MB", kept=few.memory < 200 * 2**20))
    kept.append(tell("round trips for an organization", f"{trips:.1f}", "4", kept=trips <= 4))
    kept.append(tell("WAL for an organization", f"{own:.0f} bytes", "2048 bytes", kept=own <= 2048))
    print(f"{'WAL of the queue for it':<44} {queues:>8.0f} bytes")
    async with fleet(orgs // 5, SLOW) as (_, connection, cwd), process("worker", cwd=cwd) as first:
        await poll(connection, orgs // 5, [])
        one = await best(connection, orgs // 5, [first.pid])
        async with process("worker", cwd=cwd) as second:
            await asyncio.sleep(3)
            two = await best(connection, orgs // 5, [first.pid, second.pid])
    ratio = one.seconds / two.seconds
    kept.append(tell(f"two workers beside one (answers take {SLOW} s)", f"{ratio:.2f} x", "over 1 x", kept=ratio > 1.1))
    seconds, many = await few_and_many(orgs)
    ratio = many.seconds / seconds
    kept.append(tell("five times as many organizations take", f"{ratio:.2f} x", "5 x (+ 3 %)", kept=ratio <= 5.15))
    kept.append(
        tell("memory of the worker then", f"{many.memory / 2**20:.0f} MB", "200 MB", kept=many.memory < 200 * 2**20)
    )
    late = await lateness(orgs)
    kept.append(
        tell("a tenth of them fail: longest pause of another", f"{late:.2f} intervals", "1.5", kept=late <= 1.5)
    )
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
