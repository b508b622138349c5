"""The worker on a real queue; what it does for an organization is the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from cadence_sync.daemon import queue
from cadence_sync.daemon.queue import SyncJob
from cadence_sync.daemon.worker import Worker
from cadence_sync.db.queue import Connection, direct
from cadence_sync.errors import DatabaseError
from tests.support.cli import PATIENCE
from tests.support.wire import Wire, counted


def due(number: int, data_center: str = "us") -> SyncJob:
    return SyncJob(f"org-{number}", data_center, "schedule")


class Work:
    """Notes who is synced; nobody is done before `open` is set."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.done: list[str] = []
        self.stopped: list[str] = []
        self.open = asyncio.Event()
        self.quick: set[str] = set()
        self.refused: list[str] = []
        self.changed = asyncio.Condition()

    async def sync(self, job: SyncJob, _attempts: int = 0) -> bool:
        self.started.append(job.org_id)
        await self._tell()
        if self.refused:
            return self.refused.pop() != job.org_id
        try:
            if job.org_id not in self.quick:
                await self.open.wait()
        except asyncio.CancelledError:
            self.stopped.append(job.org_id)
            raise
        self.done.append(job.org_id)
        await self._tell()
        return True

    async def until(self, said: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self.changed:
            await self.changed.wait_for(said)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


@asynccontextmanager
async def working(url: str, work: Work, concurrency: int = 4, per_data_center: int = 0) -> AsyncIterator[Worker]:
    worker = Worker(url, work.sync, concurrency, per_data_center)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        work.open.set()
        await worker.drain(PATIENCE)
        await task


async def statuses(url: str) -> dict[str, str]:
    async with direct(url) as connection:
        rows = await connection.fetch("SELECT dedupe_key, status::text FROM cadence_queue.pgqueuer")
    return {row["dedupe_key"]: row["status"] for row in rows}


async def test_so_many_at_a_time_and_each_once(database_url: str) -> None:
    work = Work()
    async with direct(database_url) as connection:
        assert await queue.enqueue(connection, [due(n) for n in range(9)]) == [f"org-{n}" for n in range(9)]
        assert await queue.enqueue(connection, [due(n) for n in range(10)]) == ["org-9"]
        async with working(database_url, work):
            await work.until(lambda: len(work.started) == 4)
            assert sum(status == "picked" for status in (await statuses(database_url)).values()) == 4
            assert await queue.enqueue(connection, [due(0)]) == []
            work.open.set()
            await work.until(lambda: len(work.done) == 10)
    assert sorted(work.done) == sorted(f"org-{n}" for n in range(10))
    assert await statuses(database_url) == {}


async def test_what_a_person_asks_for_goes_first(database_url: str) -> None:
    work = Work()
    async with direct(database_url) as connection:
        await queue.enqueue(connection, [due(n) for n in range(8)])
        assert await queue.enqueue_now(connection, [due(7), due(8)]) == {"org-7": "moved ahead", "org-8": "entered"}
    async with working(database_url, work, concurrency=2):
        await work.until(lambda: len(work.started) == 2)
        assert set(work.started) == {"org-7", "org-8"}
        async with direct(database_url) as connection:
            assert await queue.enqueue_now(connection, [due(8)]) == {"org-8": "running"}


async def test_a_data_center_has_a_limit_over_all_workers(database_url: str) -> None:
    work = Work()
    async with direct(database_url) as connection:
        await queue.enqueue(connection, [*(due(n) for n in range(6)), *(due(n, "eu") for n in range(6, 8))])
    async with working(database_url, work, 8, 3), working(database_url, work, 8, 3):
        await work.until(lambda: len(work.started) == 5)
        await asyncio.sleep(0.5)  # in which more would start, if more could
        assert sorted(name in {"org-6", "org-7"} for name in work.started) == [False] * 3 + [True] * 2
        work.open.set()
        await work.until(lambda: len(work.done) == 8)


@pytest.mark.parametrize("grace", [0, PATIENCE])
async def test_a_worker_that_stops_ends_its_work_or_hands_it_back(database_url: str, grace: float) -> None:
    work = Work()
    async with direct(database_url) as connection:
        await queue.enqueue(connection, [due(n) for n in range(6)])
    worker = Worker(database_url, work.sync, 4, 0)
    task = asyncio.create_task(worker.run())
    await work.until(lambda: len(work.started) == 4)
    draining = asyncio.create_task(worker.drain(grace))
    await asyncio.sleep(0)
    if grace:
        work.open.set()
    await draining
    async with asyncio.timeout(PATIENCE):
        await task
    assert len(work.started) == 4
    left = await statuses(database_url)
    assert set(left.values()) == {"queued"}
    assert len(left) == (2 if grace else 6)
    assert (len(work.done), len(work.stopped)) == ((4, 0) if grace else (0, 4))


async def test_the_work_of_a_dead_worker_is_taken_over(database_url: str) -> None:
    work = Work()
    async with direct(database_url) as connection:
        await queue.enqueue(connection, [due(0)])
        await connection.execute(
            "UPDATE cadence_queue.pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),"
            " heartbeat = now() - interval '1 minute'"
        )
    work.open.set()
    async with working(database_url, work):
        await work.until(lambda: work.done == ["org-0"])


async def test_a_worker_outlives_its_connection(database_url: str) -> None:
    work = Work()
    work.open.set()
    async with working(database_url, work), direct(database_url) as connection:
        await queue.enqueue(connection, [due(0)])
        await work.until(lambda: work.done == ["org-0"])
        await cut(connection)
        await queue.enqueue(connection, [due(1)])
        await work.until(lambda: "org-1" in work.done)


async def cut(connection: Connection) -> None:
    """End the connections of workers to the queue."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'cadence-sync queue' AND pid <> pg_backend_pid()"
    )


async def test_a_long_sync_outlives_the_connection_too_and_keeps_nobody_waiting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence_sync.daemon.worker.HEARTBEAT", timedelta(seconds=1))
    work = Work()
    work.quick.add("org-1")
    async with working(database_url, work), direct(database_url) as connection:
        await queue.enqueue(connection, [due(0)])
        await work.until(lambda: work.started == ["org-0"])
        await cut(connection)
        await queue.enqueue(connection, [due(1)])
        await work.until(lambda: work.done == ["org-1"])
        work.open.set()
        async with asyncio.timeout(PATIENCE):
            while await statuses(database_url):
                await asyncio.sleep(0.05)
    assert work.started == ["org-0", "org-1"]


async def test_what_cannot_be_done_here_is_offered_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.daemon.worker.LATER", timedelta(0))
    work = Work()
    work.open.set()
    work.refused = ["org-0", "org-0"]
    async with working(database_url, work), direct(database_url) as connection:
        await queue.enqueue(connection, [due(0)])
        await work.until(lambda: work.done == ["org-0"])
    assert work.started == ["org-0"] * 3
    assert await statuses(database_url) == {}


async def test_a_connection_without_another_end_is_given_up(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.db.queue.STATEMENT_TIMEOUT", 0.2)
    monkeypatch.setattr("cadence_sync.db.queue.CONNECT_TIMEOUT", 1)

    async def ask(url: str, wire: Wire) -> None:
        async with direct(url) as connection:
            wire.frozen = True
            await connection.fetchval("SELECT 1")

    async with counted(database_url) as (url, wire):
        with pytest.raises(DatabaseError, match="cannot be reached"):
            await ask(url, wire)
