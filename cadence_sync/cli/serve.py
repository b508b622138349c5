"""`serve`: a scheduler, one worker and the web in one process."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from cadence_sync import wiring
from cadence_sync.cli.hosts import check_host
from cadence_sync.cli.request import ask_for
from cadence_sync.cli.worker import check_database, until_stopped, usable_orgs, working
from cadence_sync.cli.worker import unready as worker_lacks
from cadence_sync.fleet import plans
from cadence_sync.fleet.gauges import Gauges
from cadence_sync.fleet.rhythm import Rhythm
from cadence_sync.fleet.scheduler import Scheduler
from cadence_sync.logs import forward_libraries, log
from cadence_sync.settings import Settings, seconds_of
from cadence_sync.web.health import Probes, serving

if TYPE_CHECKING:
    from cadence_sync.db.direct import Connection
    from cadence_sync.db.outbox import IsStale


async def serve_command(settings: Settings) -> None:
    """Sync on schedule until stopped."""
    forward_libraries()
    from cadence_sync.web.app import page_app  # with the charts, which no worker draws

    check_host(settings)
    plans.check_default(settings)
    configured = usable_orgs(settings)
    async with wiring.steady_database(settings) as (engine, url):
        await check_database(engine)

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
            return await worker_lacks(engine, worker) or (None if scheduler.ready else "no scheduler leads yet")

        def staleness() -> "IsStale | None":
            least = timedelta(seconds=seconds_of(settings.alerts.stale_after))
            return plans.staleness(scheduler.known, least, clock.now()) if scheduler.leading else None

        async with (
            working(settings, engine, url, configured) as worker,
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
            await until_stopped(scheduler.run())
