"""`serve`: a scheduler, one worker and the web in one process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from cadence_sync import wiring
from cadence_sync.cli.enqueue import enqueue_org
from cadence_sync.cli.hosts import check_host
from cadence_sync.cli.worker import check_database, until_stopped, usable_orgs, working
from cadence_sync.cli.worker import unready as worker_lacks
from cadence_sync.config.settings import Settings, seconds_of
from cadence_sync.daemon import schedule
from cadence_sync.daemon.metrics import Gauges
from cadence_sync.daemon.schedule import OrgSchedule
from cadence_sync.daemon.scheduler import Scheduler
from cadence_sync.db.orgs import load_scheduled_orgs
from cadence_sync.db.pruning import prune
from cadence_sync.db.queue import driver_of
from cadence_sync.logs import forward_libraries, log
from cadence_sync.orgs.config import OrgConfig
from cadence_sync.ports import Clock
from cadence_sync.web.app import web_ui_app
from cadence_sync.web.health import Probes, serving

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.db.alert_outbox import IsStale
    from cadence_sync.db.queue import Connection


@dataclass(slots=True)
class _ScheduleSource:
    """Who is to be synced, and how often, as settings and database say it now."""

    settings: Settings
    engine: "AsyncEngine"
    configured: Mapping[str, OrgConfig]
    logger: schedule.OncePerMessageLogger = field(default_factory=schedule.OncePerMessageLogger)
    warned_of_no_orgs: bool = False

    async def ask(self, connection: "Connection") -> Mapping[str, OrgSchedule]:
        """Return it for the scheduler, and log what is wrong with it once."""
        found = schedule.org_schedules(
            self.settings, self.configured, await load_scheduled_orgs(connection), self.logger.log_once
        )
        if not found and not self.warned_of_no_orgs:
            log.warning("no_orgs", hint="Run `cadence-sync init`, or add one with `cadence-sync org add`.")
        self.warned_of_no_orgs = not found
        return found

    async def look(self) -> Mapping[str, OrgSchedule]:
        """Return it for whoever only watches."""
        async with driver_of(self.engine) as connection:
            return schedule.org_schedules(self.settings, self.configured, await load_scheduled_orgs(connection))


async def serve_command(settings: Settings) -> None:
    """Sync on schedule until stopped."""
    forward_libraries()
    check_host(settings)
    schedule.check_default(settings)
    configured, clock = usable_orgs(settings), wiring.SystemClock()
    async with wiring.long_lived_database(settings) as (engine, url):
        await check_database(engine)
        schedules = _ScheduleSource(settings, engine, configured)
        gauges = Gauges(engine, clock, schedules.look)
        clean_up = partial(_clean_up, settings, engine, clock)
        scheduler = Scheduler(url, schedules.ask, clock, seconds_of(settings.sync_misfire_grace), clean_up)

        async def unready() -> str | None:
            return await worker_lacks(engine, worker) or (None if scheduler.ready else "no scheduler leads yet")

        def staleness() -> "IsStale | None":
            least = timedelta(seconds=seconds_of(settings.alerts.stale_after))
            return schedule.staleness(scheduler.known, least, clock.now()) if scheduler.leading else None

        def intervals() -> dict[str, float]:
            return schedule.intervals(scheduler.known or gauges.schedules, clock.now())

        page = web_ui_app(settings, engine, clock, partial(enqueue_org, settings, engine, url), intervals)
        probes = Probes(unready, gauges.text)
        async with (
            working(settings, engine, url, configured) as worker,
            wiring.watching(settings, engine, staleness),
            serving(settings.web_host, settings.web_port, probes, "CADENCE_SYNC_WEB_PORT", page) as port,
        ):
            log.info("server_started", organizations=len(configured), host=settings.web_host, port=port)
            await until_stopped(scheduler.run())


async def _clean_up(settings: Settings, engine: "AsyncEngine", clock: Clock) -> None:
    pruned = await prune(engine, clock.now(), settings.retention)
    log.info("pruned", **asdict(pruned))
