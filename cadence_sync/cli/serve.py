"""`serve` and `worker`: the daemons. `serve` is a scheduler, one worker and the web in one process."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.request import ask_for
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError
from cadence_sync.fleet import metrics, plans
from cadence_sync.fleet.gauges import Gauges
from cadence_sync.fleet.notify import READY, STOPPING, notify, watchdog
from cadence_sync.fleet.rhythm import Rhythm
from cadence_sync.fleet.scheduler import Scheduler
from cadence_sync.fleet.traces import tracing
from cadence_sync.fleet.worker import Worker
from cadence_sync.logs import about, forward_libraries, log
from cadence_sync.orgs import OrgConfig, configured_orgs, named_orgs
from cadence_sync.ports import UNKNOWN_ORG, Org
from cadence_sync.roster import Configs
from cadence_sync.settings import Settings, seconds_of
from cadence_sync.urls import is_loopback
from cadence_sync.web.health import Probes, serving

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.db.direct import Connection
    from cadence_sync.db.outbox import IsStale
    from cadence_sync.fleet.queue import Due


ATTEMPTS: Final = 12
"""How often a job is handed back, for a worker that has the credentials of its organisation; then its run failed."""
LAST_WORDS: Final = 5.0
"""Seconds that the database has to answer where somebody waits for it."""


async def serve_command(settings: Settings) -> None:
    """Sync on schedule until stopped."""
    forward_libraries()
    from cadence_sync.web.app import page_app  # with the charts, which no worker draws

    check_host(settings)
    plans.check_default(settings)
    configured = usable_orgs(settings)
    async with wiring.steady_database(settings) as (engine, url):
        await _check(engine)

        told: Mapping[str, Rhythm] | None = None
        complaints = plans.Complaints()

        async def rhythms(connection: "Connection") -> Mapping[str, Rhythm]:
            from cadence_sync.db.registry import registered

            nonlocal told
            found = plans.rhythms(settings, configured, await registered(connection), complaints.tell)
            if not found and told != found:
                log.warning("no_organisation", hint="Set credentials, or add one with `cadence-sync org add`.")
            told = found
            return found

        async def look() -> Mapping[str, Rhythm]:
            from cadence_sync.db.direct import driver_of
            from cadence_sync.db.registry import registered

            async with driver_of(engine) as connection:
                return plans.rhythms(settings, configured, await registered(connection))

        clock = wiring.SystemClock()
        gauges = Gauges(engine, clock, look)

        async def clean_up() -> None:
            from cadence_sync.db.pruning import prune

            pruned = await prune(engine, clock.now(), settings.retention)
            log.info("pruned", **asdict(pruned))

        scheduler = Scheduler(url, rhythms, clock, seconds_of(settings.sync_grace), clean_up)

        async def unready() -> str | None:
            return await _unready(engine, worker) or (None if scheduler.ready else "no scheduler leads yet")

        def staleness() -> "IsStale | None":
            least = timedelta(seconds=seconds_of(settings.alerts.stale_after))
            return plans.staleness(scheduler.known, least, clock.now()) if scheduler.leading else None

        async with (
            _working(settings, engine, url, configured) as worker,
            wiring.watching(settings, engine, staleness),
            AsyncExitStack() as stack,
        ):
            probes = Probes(unready, gauges.text)
            page = page_app(
                settings,
                engine,
                clock,
                partial(ask_for, settings, engine, url),
                lambda: plans.intervals(scheduler.known or gauges.rhythms, clock.now()),
            )
            port = await stack.enter_async_context(
                serving(settings.web_host, settings.web_port, probes, "CADENCE_SYNC_WEB_PORT", page)
            )
            log.info("serving", organisations=len(configured), host=settings.web_host, port=port)
            await _until_stopped(scheduler.run())


async def worker_command(settings: Settings) -> None:
    """Take jobs until stopped."""
    forward_libraries()
    if settings.worker_port is not None:
        check_host(settings)
    async with wiring.steady_database(settings) as (engine, url):
        await _check(engine)
        async with _working(settings, engine, url, usable_orgs(settings)) as worker, AsyncExitStack() as stack:
            if settings.worker_port is not None:
                probes = Probes(lambda: _unready(engine, worker), Gauges(engine, wiring.SystemClock()).text)
                await stack.enter_async_context(
                    serving(settings.web_host, settings.worker_port, probes, "CADENCE_SYNC_WORKER_PORT")
                )
            log.info("working", concurrency=settings.worker_concurrency)
            await _until_stopped(asyncio.Event().wait())


async def _until_stopped(work: Coroutine[object, object, object]) -> None:
    """Work until cancelled, and tell the service manager how it stands."""
    notify(READY)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watchdog(lambda: True))
            await work
    finally:
        notify(STOPPING)


@asynccontextmanager
async def _working(
    settings: Settings, engine: "AsyncEngine", url: str, configured: Mapping[str, OrgConfig]
) -> AsyncIterator[Worker]:
    """Run a worker meanwhile, and drain it at the end."""
    async with AsyncExitStack() as stack:
        traced = stack.enter_context(tracing(settings.otlp_endpoint))
        await stack.enter_async_context(wiring.sending_alerts(settings, engine, metrics.count_alert))
        sync_of = await stack.enter_async_context(wiring.many_syncs(settings, engine, metrics.count_token))
        config = Configs(settings, engine, configured)
        await config.check()

        async def sync_org(due: "Due", attempts: int) -> bool:
            with about(org_id=due.org_id), traced(due.org_id, due.trigger) as tell:
                try:
                    org = await config.of(due.org_id)
                except CadenceSyncError as error:
                    if error.code == UNKNOWN_ORG:
                        log.info("no_longer_there")
                        return True
                    if attempts < ATTEMPTS or isinstance(error, DatabaseError):
                        log.error("left_to_another_worker", error=error.message, hint=error.hint)
                        return False
                    org_due = Org(due.org_id, due.data_center, stored=True)
                    report = await wiring.failed_run(settings, engine, org_due, due.trigger, error)
                else:
                    report = await sync_of(org).run(due.trigger)
                tell(report)
            metrics.count(report, due.data_center, due.trigger)
            fields = {name: value for name, value in report.to_json().items() if value}
            (log.warning if report.error else log.info)("sync_finished", **fields)
            return report.run_id is not None or report.exit_code != DatabaseError.exit_code

        worker = Worker(url, sync_org, settings.worker_concurrency, settings.data_center_concurrency)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await asyncio.shield(worker.drain(settings.drain_seconds))
            await asyncio.wait([task], timeout=LAST_WORDS)
            task.cancel()


def check_host(settings: Settings) -> None:
    """Refuse to serve the page to others without a guard."""
    by_proxy = settings.web_user_header is not None
    if settings.web_token is None and not by_proxy and not is_loopback(settings.web_host):
        raise SettingsError(
            f"Serving on {settings.web_host} needs CADENCE_SYNC_WEB_TOKEN.",
            hint="Set one, or keep the default host 127.0.0.1.",
        )
    if by_proxy and not (settings.web_trusted_proxies.strip() and settings.web_url):
        raise SettingsError(
            "CADENCE_SYNC_WEB_USER_HEADER needs CADENCE_SYNC_WEB_TRUSTED_PROXIES and CADENCE_SYNC_WEB_URL.",
            hint="Name the proxy that sets the header, and the address at which people reach the page through it.",
        )


def usable_orgs(settings: Settings) -> dict[str, OrgConfig]:
    """Return the organisations of the settings; one that is faulty is left out, and said so."""
    orgs: dict[str, OrgConfig] = {}
    for name, org in (configured_orgs(settings) if named_orgs(settings) else {}).items():
        if isinstance(org, SettingsError):
            log.error("organisation_left_out", org_id=name, error=org.message, hint=org.hint)
        else:
            orgs[name] = org
    return orgs


async def _check(engine: "AsyncEngine") -> None:
    from cadence_sync.db.direct import check_queue
    from cadence_sync.db.engine import our_errors
    from cadence_sync.db.migrate import check_migrated

    with our_errors():
        async with engine.connect() as connection:
            await check_migrated(connection)
            await check_queue(connection)


async def _unready(engine: "AsyncEngine", worker: Worker) -> str | None:
    try:
        async with asyncio.timeout(LAST_WORDS):
            await _check(engine)
    except CadenceSyncError as error:
        return error.message
    except TimeoutError:
        return "the database does not answer"
    return None if worker.taking else "the worker has no connection to the queue yet"
