"""Composes the daemons: `serve` is a scheduler, a worker and the web UI in one process, `worker` a worker alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import Final

from cadence_sync import wiring
from cadence_sync.alerts.dispatcher import in_background, run_dispatcher, watch_staleness
from cadence_sync.alerts.routing import IsStale, build_routing
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings, seconds_of
from cadence_sync.config.urls import is_loopback
from cadence_sync.daemon import metrics
from cadence_sync.daemon.health import Liveness, Readiness
from cadence_sync.daemon.metrics import Gauges
from cadence_sync.daemon.queue import request_syncs
from cadence_sync.daemon.schedule import ScheduleSource, check_default, staleness
from cadence_sync.daemon.scheduler import Scheduler
from cadence_sync.daemon.systemd import READY, STOPPING, notify, watchdog
from cadence_sync.daemon.tracing import tracing
from cadence_sync.daemon.worker import JobRunner, Worker
from cadence_sync.db.alert_outbox import enter_staleness
from cadence_sync.db.engine import Engine, translate_errors
from cadence_sync.db.pruning import prune
from cadence_sync.db.queue import check_queue
from cadence_sync.db.revision import check_migrated
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import forward_libraries, log
from cadence_sync.orgs.registry import OrgConfigCache, load_org_config, usable_orgs
from cadence_sync.ports import Clock
from cadence_sync.web.app import web_ui_app
from cadence_sync.web.authentication import Login
from cadence_sync.web.server import Listener, Probes, serving

DATABASE_PATIENCE: Final = 5.0
"""Seconds that the database has to answer a probe, or the queue to take the last words of a worker."""


async def serve(settings: Settings) -> None:
    forward_libraries()
    check_default(settings)
    orgs, clock = usable_orgs(settings), wiring.SystemClock()
    async with wiring.long_lived_database(settings) as database:
        engine, url = database.engine, database.direct_url
        await _check_database(engine)
        source = ScheduleSource(settings, engine, orgs)
        gauges = Gauges(engine, clock, source.look)
        clean_up = partial(_clean_up, settings, engine, clock)
        scheduler = Scheduler(url, source.load, clock, seconds_of(settings.sync_misfire_grace), clean_up)

        async def unready() -> str | None:
            return await _unready(engine, worker) or (None if scheduler.ready else "no scheduler leads yet")

        def is_stale() -> IsStale | None:
            return staleness(settings, scheduler.known, clock.now()) if scheduler.leading else None

        def intervals() -> dict[str, float]:
            schedules, now = scheduler.known or gauges.schedules, clock.now()
            return {org_id: schedule.max_interval(now) for org_id, schedule in schedules.items()}

        request_sync = partial(_request_sync, settings, database, asyncio.Lock())
        web_ui = web_ui_app(settings, database.web_engine, clock, request_sync, intervals, _count_login)
        async with (
            _running_worker(settings, engine, url, orgs) as worker,
            _watching_liveness(database, clock, worker) as liveness,
            _watching_staleness(settings, engine, is_stale),
            serving(Listener.of(settings), _probes(settings, unready, gauges, liveness), web_ui) as port,
        ):
            log.info("server_started", organizations=len(orgs), host=settings.web_host, port=port)
            _warn_of_plain_http(settings)
            await _until_stopped(scheduler.run(), liveness)


async def work(settings: Settings) -> None:
    forward_libraries()
    clock = wiring.SystemClock()
    async with wiring.long_lived_database(settings) as database, AsyncExitStack() as stack:
        engine, url = database.engine, database.direct_url
        await _check_database(engine)
        worker = await stack.enter_async_context(_running_worker(settings, engine, url, usable_orgs(settings)))
        liveness = await stack.enter_async_context(_watching_liveness(database, clock, worker))
        if settings.worker_port is not None:
            listener = Listener(settings.web_host, settings.worker_port, "CADENCE_SYNC_WORKER_PORT")
            probes = _probes(settings, lambda: _unready(engine, worker), Gauges(engine, clock), liveness)
            await stack.enter_async_context(serving(listener, probes))
        log.info("worker_started", concurrency=settings.worker_concurrency)
        await _until_stopped(asyncio.Event().wait(), liveness)


def _probes(
    settings: Settings, unready: Callable[[], Awaitable[str | None]], gauges: Gauges, liveness: Liveness
) -> Probes:
    token = None if settings.metrics_token is None else settings.metrics_token.get_secret_value()
    return Probes(Readiness(unready, gauges.clock).missing, gauges.text, liveness.failure, token)


def _count_login(result: Login) -> None:
    metrics.LOGINS.labels(result).inc()


def _warn_of_plain_http(settings: Settings) -> None:
    """Tokens and cookies are readable on the way where neither this process nor a trusted proxy ends TLS."""
    ends_tls = settings.web_tls_certificate is not None or settings.web_trusted_proxies
    if not ends_tls and not is_loopback(settings.web_host):
        log.warning(
            "web_ui_without_tls", host=settings.web_host, hint="Set CADENCE_SYNC_WEB_TLS_CERTIFICATE, or use a proxy."
        )


@asynccontextmanager
async def _running_worker(
    settings: Settings, engine: Engine, url: str, configured: Mapping[str, OrgConfig]
) -> AsyncIterator[Worker]:
    async with AsyncExitStack() as stack:
        traced = stack.enter_context(tracing(settings.otlp_endpoint))
        if settings.alert_channels:
            dispatcher = await wiring.dispatcher(settings, engine, lambda *labels: metrics.ALERTS.labels(*labels).inc())
            # Messages that take more than 5 seconds when the daemon stops are sent again.
            await stack.enter_async_context(run_dispatcher(dispatcher, grace=5))
        syncs = wiring.sync_factory(settings, engine, on_refresh=lambda result: metrics.TOKENS.labels(result).inc())
        sync_of = await stack.enter_async_context(syncs)
        orgs = OrgConfigCache(settings, engine, configured)
        await orgs.check()
        runner = JobRunner(settings, engine, orgs, sync_of, traced)
        worker = Worker(url, runner.run, settings.worker_concurrency, settings.data_center_concurrency)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await asyncio.shield(worker.drain(settings.shutdown_grace_seconds))
            await asyncio.wait([task], timeout=DATABASE_PATIENCE)
            task.cancel()


def _watching_staleness(
    settings: Settings, engine: Engine, predicate: Callable[[], IsStale | None]
) -> AbstractAsyncContextManager[None]:
    """Alerts to organizations that become stale, where there are channels; a follower has no predicate."""
    if not settings.alert_channels:
        return nullcontext()
    enter = partial(enter_staleness, engine, build_routing(settings))
    return in_background(watch_staleness(enter, wiring.SystemClock(), predicate))


@asynccontextmanager
async def _watching_liveness(database: wiring.DaemonDatabase, clock: Clock, worker: Worker) -> AsyncIterator[Liveness]:
    liveness = Liveness(database.engine, database.url, clock, lambda: worker.ended_by_itself)
    async with in_background(liveness.watch()):
        yield liveness


async def _until_stopped(work: Coroutine[object, object, object], liveness: Liveness) -> None:
    notify(READY)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watchdog(liveness.is_alive))
            await work
    finally:
        notify(STOPPING)


async def _request_sync(settings: Settings, database: wiring.DaemonDatabase, one: asyncio.Lock, org_id: str) -> str:
    """Asks for a sync as a reader of the web UI, over one connection for all of them."""
    async with one:
        org = await load_org_config(settings, database.web_engine, org_id)
        return (await request_syncs(database.direct_url, [org]))[org_id]


async def _clean_up(settings: Settings, engine: Engine, clock: Clock) -> None:
    log.info("pruned", **asdict(await prune(engine, clock.now(), settings.retention)))


async def _check_database(engine: Engine) -> None:
    """Raises `DatabaseError` where it cannot be reached, or lacks tables."""
    with translate_errors():
        async with engine.connect() as connection:
            await check_migrated(connection)
            await check_queue(connection)


async def _unready(engine: Engine, worker: Worker) -> str | None:
    try:
        async with asyncio.timeout(DATABASE_PATIENCE):
            await _check_database(engine)
    except CadenceSyncError as error:
        return error.message
    except TimeoutError:
        return "the database does not answer"
    return None if worker.taking else "the worker has no connection to the queue yet"
