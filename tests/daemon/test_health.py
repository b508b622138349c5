"""What makes an orchestrator restart a daemon, and what does not."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from cadence_sync.daemon.health import FRESH, STARVED, Liveness, Readiness
from cadence_sync.daemon.worker import Worker
from cadence_sync.db.engine import WEB_UI, PoolSize, open_engine
from cadence_sync.web.server import Probes
from tests.support.lab import SetClock
from tests.support.wire import counted

POOL = PoolSize(1, 1, timeout=0.1)
AWAY = "postgresql://nobody@127.0.0.1:1/none"


async def test_a_pool_that_stays_empty_while_the_database_answers_is_a_failure(database_url: str) -> None:
    clock = SetClock()
    async with open_engine(database_url, POOL, direct=True) as engine:
        liveness = Liveness(engine, database_url, clock, lambda: False)
        async with engine.connect():
            await liveness.look()
            assert liveness.is_alive()
            clock.move(seconds=STARVED)
            await liveness.look()
            assert not liveness.is_alive()
        await liveness.look()
        assert liveness.is_alive()


async def test_connections_without_another_end_are_a_failure_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence_sync.daemon.health.CHECKOUT_TIMEOUT", 0.2)
    clock = SetClock()
    async with counted(database_url) as (url, wire), open_engine(url, POOL) as engine:
        async with engine.connect():
            pass
        liveness = Liveness(engine, database_url, clock, lambda: False)
        wire.frozen = True
        await liveness.look()
        clock.move(seconds=STARVED)
        assert not liveness.is_alive()


async def test_a_database_that_is_away_is_none(database_url: str) -> None:
    clock = SetClock()
    async with open_engine(AWAY, POOL, direct=True) as away, open_engine(database_url, POOL, direct=True) as engine:
        for liveness in (Liveness(away, AWAY, clock, lambda: False), Liveness(engine, AWAY, clock, lambda: False)):
            async with AsyncExitStack() as stack:
                if liveness.engine is engine:  # its connections are lost to a database that no longer answers
                    await stack.enter_async_context(engine.connect())
                for _ in range(3):
                    await liveness.look()
                    clock.move(seconds=STARVED)
                assert liveness.is_alive()


@pytest.mark.parametrize("stops", [True, False])
async def test_a_worker_that_nobody_stopped_must_not_end(database_url: str, *, stops: bool) -> None:
    async def never(*_: object) -> bool:
        raise AssertionError

    worker = Worker(database_url, never, 2, 0)
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while not worker.taking:
            await asyncio.sleep(0.02)
    assert not worker.ended_by_itself
    if stops:
        await worker.drain(0)
    else:
        task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.done()
    assert worker.ended_by_itself != stops


async def test_healthz_says_what_is_stuck() -> None:
    failure: str | None = None

    async def nothing() -> None:
        return None

    async def metrics() -> bytes:
        return b""

    app = web.Application()
    app.router.add_get("/healthz", Probes(nothing, metrics, lambda: failure).healthz)
    client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
    async with client:
        assert (await client.get("/healthz")).status == 200
        failure = "the worker has ended"
        response = await client.get("/healthz")
        assert (response.status, await response.json()) == (503, {"status": "stuck", "reason": failure})


async def test_any_number_of_requests_is_one_check_a_second() -> None:
    clock, checks = SetClock(), 0

    async def check() -> str:
        nonlocal checks
        checks += 1
        await asyncio.sleep(0)
        return f"missing {checks}"

    readiness = Readiness(check, clock)

    async def ask() -> set[str | None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(readiness.missing()) for _ in range(50)]
        return {task.result() for task in tasks}

    assert await ask() == {"missing 1"}
    clock.move(seconds=FRESH)
    assert await ask() == {"missing 2"}


@pytest.mark.parametrize("direct", [True, False])
def test_a_daemon_opens_as_many_connections_as_its_settings_say(*, direct: bool) -> None:
    """So many and 4 more, of which 2 are of the pool; 8 for the web UI, of which 2 are not of its pool."""
    for concurrency in (2, 16, 32, 500):
        size = PoolSize.of_daemon(concurrency, direct=direct)
        assert size.kept <= size.most == concurrency + 2
    assert WEB_UI.most == 6
