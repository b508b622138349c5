"""When organisations are synced: an interval with jitter, or a cron line, kept by APScheduler."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cadence_sync.errors import SettingsError
from cadence_sync.logs import log
from cadence_sync.ports import Clock

JITTER: Final = 0.1
"""Share of the interval by which runs are spread, so that organisations do not all start at once."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every so many seconds, or by a cron line in UTC where there is one."""

    seconds: float
    cron: str | None = None

    def trigger(self) -> BaseTrigger:
        """Return APScheduler's form of it."""
        if self.cron is None:
            return IntervalTrigger(seconds=self.seconds, jitter=self.seconds * JITTER, timezone=UTC)
        try:
            return CronTrigger.from_crontab(self.cron, timezone=UTC)
        except ValueError as error:
            raise SettingsError(
                f"CADENCE_SYNC_SYNC_CRON cannot work: {error}.",
                hint="Five fields, such as '*/15 6-20 * * 1-5'.",
            ) from error


async def run_schedule(
    schedule: Schedule, org_ids: Sequence[str], sync_org: Callable[[str], Awaitable[None]], clock: Clock
) -> None:
    """Sync every organisation now (unless a cron line says when) and on schedule, until cancelled.

    Runs are tasks of this function: when it is cancelled they are too, and it waits until they have cleaned up.
    """
    triggers = {org_id: schedule.trigger() for org_id in org_ids}
    scheduler = AsyncIOScheduler(timezone=UTC)
    running: set[str] = set()

    async def guarded(org_id: str) -> None:
        running.add(org_id)
        try:
            await sync_org(org_id)
        except Exception:  # noqa: BLE001 - one organisation's defect must not end the daemon
            log.exception("sync_failed", org_id=org_id)
        finally:
            running.discard(org_id)

    async with asyncio.TaskGroup() as group:

        async def start(org_id: str) -> None:
            if org_id not in running:
                group.create_task(guarded(org_id))

        for org_id, trigger in triggers.items():
            first = {} if schedule.cron else {"next_run_time": clock.now()}
            # However late a start is, it still takes place, once.
            scheduler.add_job(
                start,
                trigger,
                args=[org_id],
                id=org_id,
                coalesce=True,
                misfire_grace_time=None,
                **first,
            )
        scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            scheduler.shutdown(wait=False)
