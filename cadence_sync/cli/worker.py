"""`worker`: a daemon that takes jobs, as `serve` does beside its scheduler."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.hosts import check_host
from cadence_sync.config.settings import Settings
from cadence_sync.daemon import metrics
from cadence_sync.daemon.metrics import Gauges
from cadence_sync.daemon.systemd import READY, STOPPING, notify, watchdog
from cadence_sync.daemon.tracing import tracing
from cadence_sync.daemon.worker import Worker
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError
from cadence_sync.logs import about, forward_libraries, log
from cadence_sync.orgs.config import OrgConfig, configured_orgs, named_orgs
from cadence_sync.orgs.registry import OrgConfigCache
from cadence_sync.ports import UNKNOWN_ORG, Org
from cadence_sync.web.health import Probes, serving

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.daemon.queue import SyncJob

ATTEMPTS: Final = 12
"""How often a job is handed back, for a worker that has the credentials of its organization; then its run failed."""
LAST_WORDS: Final = 5.0
"""Seconds that the database has to answer where somebody waits for it."""


async def worker_command(settings: Settings) -> None:
    """Take jobs until stopped."""
    forward_libraries()
    if settings.worker_port is not None:
        check_host(settings)
    async with wiring.long_lived_database(settings) as (engine, url):
        await check_database(engine)
        async with working(settings, engine, url, usable_orgs(settings)) as worker, AsyncExitStack() as stack:
            if settings.worker_port is not None:
                probes = Probes(lambda: unready(engine, worker), Gauges(engine, wiring.SystemClock()).text)
                await stack.enter_async_context(
                    serving(settings.web_host, settings.worker_port, probes, "CADENCE_SYNC_WORKER_PORT")
                )
            log.info("worker_started", concurrency=settings.worker_concurrency)
            await until_stopped(asyncio.Event().wait())


async def until_stopped(work: Coroutine[object, object, object]) -> None:
    """Work until canceled, and tell the service manager how it stands."""
    notify(READY)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watchdog(lambda: True))
            await work
    finally:
        notify(STOPPING)


@asynccontextmanager
async def working(
    settings: Settings, engine: "AsyncEngine", url: str, configured: Mapping[str, OrgConfig]
) -> AsyncIterator[Worker]:
    """Run a worker meanwhile, and drain it at the end."""
    async with AsyncExitStack() as stack:
        traced = stack.enter_context(tracing(settings.otlp_endpoint))
        await stack.enter_async_context(wiring.sending_alerts(settings, engine, metrics.count_alert))
        sync_of = await stack.enter_async_context(wiring.many_syncs(settings, engine, metrics.count_token))
        config = OrgConfigCache(settings, engine, configured)
        await config.check()

        async def sync_org(due: "SyncJob", attempts: int) -> bool:
            with about(org_id=due.org_id), traced(due.org_id, due.trigger) as tell:
                try:
                    org = await config.get(due.org_id)
                except CadenceSyncError as error:
                    if error.code == UNKNOWN_ORG:
                        log.info("org_removed")
                        return True
                    if attempts < ATTEMPTS or isinstance(error, DatabaseError):
                        log.error("job_released", error=error.message, hint=error.hint)
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
            await asyncio.shield(worker.drain(settings.shutdown_grace_seconds))
            await asyncio.wait([task], timeout=LAST_WORDS)
            task.cancel()


def usable_orgs(settings: Settings) -> dict[str, OrgConfig]:
    """Return the organizations of the settings; one that is faulty is left out, and said so."""
    orgs: dict[str, OrgConfig] = {}
    for name, org in (configured_orgs(settings) if named_orgs(settings) else {}).items():
        if isinstance(org, SettingsError):
            log.error("org_skipped", org_id=name, error=org.message, hint=org.hint)
        else:
            orgs[name] = org
    return orgs


async def check_database(engine: "AsyncEngine") -> None:
    """Raise `DatabaseError` where it cannot be reached, or lacks tables."""
    from cadence_sync.db.engine import translate_errors
    from cadence_sync.db.queue import check_queue
    from cadence_sync.db.revision import check_migrated

    with translate_errors():
        async with engine.connect() as connection:
            await check_migrated(connection)
            await check_queue(connection)


async def unready(engine: "AsyncEngine", worker: Worker) -> str | None:
    """Return what a worker lacks to take jobs."""
    try:
        async with asyncio.timeout(LAST_WORDS):
            await check_database(engine)
    except CadenceSyncError as error:
        return error.message
    except TimeoutError:
        return "the database does not answer"
    return None if worker.taking else "the worker has no connection to the queue yet"
