"""A job leaves the queue with a run on record, whatever fails between the two."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.daemon import queue
from cadence_sync.daemon.queue import SyncJob
from cadence_sync.daemon.tracing import tracing
from cadence_sync.daemon.worker import JobRunner, Worker
from cadence_sync.db import orgs
from cadence_sync.db.cipher import Cipher
from cadence_sync.db.engine import PoolSize, open_engine
from cadence_sync.db.queue import Connection, direct
from cadence_sync.orgs.registry import OrgConfigCache
from cadence_sync.ports import Actor
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.support.cli import PATIENCE

KEY = "a-key-of-some-length"
JOB = SyncJob("a", "us", "test")
POOL = PoolSize(2, 2, timeout=0.2)
STATE = """
    SELECT (SELECT attempts FROM cadence_queue.pgqueuer) AS attempts,
           (SELECT count(*) FROM cadence_sync.sync_runs) AS runs
"""
END_WAITING = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_locks
    WHERE NOT granted AND relation = CAST($1 AS text)::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass
class Scene:
    url: str
    engine: AsyncEngine
    connection: Connection

    async def until(self, said: Callable[[int | None], bool]) -> None:
        """Wait for a number of attempts, None without a job; at no time is there neither a job nor a run."""
        async with asyncio.timeout(PATIENCE):
            while True:
                attempts, runs = await self.connection.fetchrow(STATE)
                assert attempts is not None or runs > 0, "the job vanished"
                if said(attempts):
                    return
                await asyncio.sleep(0.02)

    async def handed_back(self) -> None:
        await self.until(lambda attempts: attempts != 0)


Failure: TypeAlias = Callable[[Scene], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def exhausted_pool(scene: Scene) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(POOL.most):
            await stack.enter_async_context(scene.engine.connect())
        yield
        await scene.handed_back()


@asynccontextmanager
async def unreadable_credentials(scene: Scene) -> AsyncIterator[None]:
    """Those of a version that writes them otherwise."""
    stored = await scene.connection.fetchval("SELECT encrypted_credentials FROM cadence_sync.org_credentials")
    update = "UPDATE cadence_sync.org_credentials SET encrypted_credentials = $1, updated_at = clock_timestamp()"
    await scene.connection.execute(update, Cipher([KEY]).encrypt(b"[]"))
    yield
    await scene.handed_back()
    await scene.connection.execute(update, stored)


@asynccontextmanager
async def unreadable_job(scene: Scene) -> AsyncIterator[None]:
    update = "UPDATE cadence_queue.pgqueuer SET payload = $1"
    await scene.connection.execute(update, b"x")
    yield
    await scene.handed_back()
    await scene.connection.execute(update, msgspec.json.encode(JOB))


@asynccontextmanager
async def refused_hand_back(scene: Scene) -> AsyncIterator[None]:
    await scene.connection.execute("""
        CREATE SEQUENCE public.refusals;
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN PERFORM nextval('public.refusals'); RAISE 'not now'; END$$;
        CREATE TRIGGER refuse BEFORE UPDATE ON cadence_queue.pgqueuer
            FOR EACH ROW WHEN (NEW.status = 'queued') EXECUTE FUNCTION public.refuse();
    """)
    async with exhausted_pool(scene):
        yield
        async with asyncio.timeout(PATIENCE):
            while await scene.connection.fetchval("SELECT last_value FROM public.refusals") < 3:
                await scene.until(lambda _: True)
                await asyncio.sleep(0.02)
        await scene.connection.execute("DROP TRIGGER refuse ON cadence_queue.pgqueuer")


def locked(table: str) -> Failure:
    """Returns a lock that others wait for, until their sessions are ended."""

    @asynccontextmanager
    async def lock(scene: Scene) -> AsyncIterator[None]:
        async with scene.connection.transaction():
            await scene.connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            async with asyncio.timeout(PATIENCE):
                while not await scene.connection.fetchval(END_WAITING, table):
                    await asyncio.sleep(0.02)
            await scene.handed_back()

    return lock


FAILURES: dict[str, Failure] = {
    "no free connection": exhausted_pool,
    "credentials that cannot be read": unreadable_credentials,
    "a job that cannot be read": unreadable_job,
    "a job that cannot be handed back": refused_hand_back,
    "cut while the organization is read": locked("cadence_sync.org_credentials"),
    "cut while the run is entered": locked("cadence_sync.sync_runs"),
}


@asynccontextmanager
async def working(scene: Scene, zoho: str) -> AsyncIterator[None]:
    settings = Settings.model_validate(
        {"encryption_keys": KEY, "zoho_api_url": zoho, "zoho_accounts_url": zoho, "zoho_daily_call_limit": 1000}
    )
    configs = OrgConfigCache(settings, scene.engine, {})
    async with wiring.sync_factory(settings, scene.engine) as sync_of:
        with tracing(None) as traced:
            worker = Worker(scene.url, JobRunner(settings, scene.engine, configs, sync_of, traced).run, 2, 0)
            task = asyncio.create_task(worker.run())
            try:
                yield
            finally:
                await worker.drain(PATIENCE)
                await task


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_it_is_offered_again_until_a_run_is_entered(
    failure: Failure, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence_sync.daemon.worker.POLL", timedelta(seconds=0.2))
    monkeypatch.setattr("cadence_sync.daemon.worker.LATER", timedelta(0))
    monkeypatch.setattr("cadence_sync.daemon.queue.AFTER_FAILURE", timedelta(0))
    known, simulator = credentials(0), Simulator(cadences=3, clock=wiring.SystemClock().now)
    async with (
        running(simulator) as zoho,
        open_engine(database_url, POOL, direct=True) as engine,
        direct(database_url) as connection,
    ):
        org = OrgConfig("a", "us", known.client_id, known.client_secret, known.refresh_token, zoho, zoho)
        await orgs.upsert_org(engine, Cipher([KEY]), org, None, Actor("test"), replace=False)
        await queue.enqueue(connection, [JOB])
        scene = Scene(database_url, engine, connection)
        async with AsyncExitStack() as stack:
            async with failure(scene):
                await stack.enter_async_context(working(scene, zoho))
            await scene.until(lambda attempts: attempts is None)
        runs: list[Any] = await connection.fetch("SELECT outcome FROM cadence_sync.sync_runs ORDER BY run_id")
        assert runs[-1]["outcome"] == "succeeded"
