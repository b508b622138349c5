"""The leader keeps a job of APScheduler for each organization, and enqueues what is due."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from cadence_sync.daemon import metrics, queue
from cadence_sync.daemon.queue import SyncJob
from cadence_sync.daemon.schedule import OrgSchedule
from cadence_sync.db.queue import Connection, direct, is_led, try_acquire_leadership, write_heartbeat
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import log, log_and_continue
from cadence_sync.ports import Clock

TICK: Final = 2.0
"""Seconds between two loads of the schedules, and between two heartbeats."""
HOUR: Final = 3600
RETRY: Final = 2.0
"""Seconds until a follower tries to lead again."""


@dataclass(slots=True)
class Scheduler:
    """Leads, or follows another scheduler and takes over when that one is gone."""

    url: str
    load_schedules: Callable[[Connection], Awaitable[Mapping[str, OrgSchedule]]]
    clock: Clock
    grace: float
    clean_up: Callable[[], Awaitable[None]]
    """Called once an hour, by the leader alone."""
    leading: bool = False
    following: bool = False
    """Whether another scheduler leads, by its heartbeats."""
    known: Mapping[str, OrgSchedule] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return self.leading or self.following

    async def run(self) -> None:
        """Leads or follows until canceled; waits while the database is away."""
        while True:
            with log_and_continue("scheduler_stopped"):
                try:
                    async with direct(self.url) as connection:
                        await self._follow(connection)
                        await self._lead(connection)
                finally:
                    self._set(leading=False)
                    self.following = False
            await asyncio.sleep(RETRY)

    async def _follow(self, connection: Connection) -> None:
        """Returns when this scheduler has become the leader."""
        while True:
            self.following = await is_led(connection)
            if not self.following and await try_acquire_leadership(connection):
                return
            await asyncio.sleep(RETRY)

    async def _lead(self, connection: Connection) -> None:
        """Enqueues what is due until the connection fails, which ends the lead, or another session has it."""
        log.info("leader_elected")
        scheduler = AsyncIOScheduler(timezone=UTC)
        due: set[str] = set()
        wake = asyncio.Event()

        async def fire(org_id: str) -> None:
            due.add(org_id)
            wake.set()

        self.known = {}
        hourly = IntervalTrigger(seconds=HOUR, jitter=HOUR / 10, timezone=UTC)
        soon = self.clock.now() + timedelta(seconds=HOUR / 10)  # a lead may never last an hour
        # Under an id that no organization has.
        scheduler.add_job(self._clean_up, hourly, id="*", next_run_time=soon, coalesce=True, misfire_grace_time=None)
        scheduler.start()
        self._set(leading=True)
        try:
            while await write_heartbeat(connection):
                self._arrange(scheduler, await self.load_schedules(connection), due, fire)
                wake.clear()
                await self._enqueue(connection, due)
                try:
                    async with asyncio.timeout(TICK):
                        await wake.wait()
                        await asyncio.sleep(0)  # those that are due at the same time come together
                except TimeoutError:
                    pass
            log.warning("leadership_lost")
        finally:
            scheduler.shutdown(wait=False)

    async def _clean_up(self) -> None:
        try:
            await self.clean_up()
        except CadenceSyncError as error:
            log.warning("cleanup_failed", error=error.message)

    def _arrange(
        self,
        scheduler: AsyncIOScheduler,
        schedules: Mapping[str, OrgSchedule],
        due: set[str],
        fire: Callable[[str], Awaitable[None]],
    ) -> None:
        """Updates APScheduler's jobs to the organizations of now; those with the same schedule stay untouched."""
        for org_id in self.known.keys() - schedules.keys():
            scheduler.remove_job(org_id)
            log.info("org_unscheduled", org_id=org_id)
        now = self.clock.now()
        for org_id, schedule in schedules.items():
            before = self.known.get(org_id)
            if before is not None and before.same_schedule(schedule):
                continue
            first = schedule.next_after(now, self.grace)
            if first > now:
                due.discard(org_id)  # its old schedule fired just before the new one was known
            scheduler.add_job(
                fire,
                schedule.trigger(),
                args=[org_id],
                id=org_id,
                next_run_time=first,
                coalesce=True,
                misfire_grace_time=max(1, round(self.grace)),
                replace_existing=True,
            )
            if schedule.org.consecutive_failures:
                log.warning(
                    "backoff_increased",
                    org_id=org_id,
                    consecutive_failures=schedule.org.consecutive_failures,
                    next_at=first.isoformat(),
                )
        self.known = schedules

    async def _enqueue(self, connection: Connection, due: set[str]) -> None:
        org_ids = sorted(due & self.known.keys())
        due.clear()
        await queue.enqueue(
            connection, [SyncJob(org_id, self.known[org_id].org.data_center, "schedule") for org_id in org_ids]
        )

    def _set(self, *, leading: bool) -> None:
        self.leading = leading
        metrics.LEADING.set(leading)
