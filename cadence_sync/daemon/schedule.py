"""When an organization is due: its interval or cron line, and ever more rarely while it keeps failing. Pure."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cadence_sync.daemon.cron import longest_pause

DAY: Final = 86400.0
JITTER: Final = 0.1
"""Share of the interval by which runs are spread, so that organizations do not all start at once."""
FIRST_WAIT: Final = 60.0
"""Seconds that are waited at least after a failure, and twice as many after each further one."""


@dataclass(frozen=True, slots=True)
class OrgSchedule:
    """How often an organization is synced, and what became of its last runs."""

    org_id: str
    data_center: str
    credentials_version: str
    seconds: float
    cron: CronTrigger | None
    consecutive_failures: int
    last_run_at: datetime | None

    @property
    def pause(self) -> float:
        """Seconds from one run to the next; with each failure twice as many, up to a day if it is not longer anyhow."""
        if self.consecutive_failures == 0:
            return self.seconds
        return min(max(self.seconds, FIRST_WAIT) * 2.0 ** min(self.consecutive_failures, 20), max(self.seconds, DAY))

    def is_stale(self, last: datetime, now: datetime, least: timedelta) -> bool:
        """Whether it was read too long ago: by three intervals and `least`, or `least` after its cron line."""
        if self.cron is None:
            return now - last > max(least, timedelta(seconds=3 * self.seconds))
        missed = self.cron.get_next_fire_time(None, last + timedelta(seconds=1))
        return missed is not None and now - missed > least

    def same_schedule(self, other: "OrgSchedule") -> bool:
        """Whether it is still to be synced at the same times: that it ran again does not change them."""
        return replace(self, last_run_at=None) == replace(other, last_run_at=None)

    def trigger(self) -> BaseTrigger:
        """Return APScheduler's form of it, which counts from the first time on; jitter spreads organizations."""
        if self.cron is not None:
            return self.cron
        return IntervalTrigger(seconds=self.pause, jitter=self.pause * JITTER, timezone=UTC)

    def max_interval(self, now: datetime) -> float:
        """Return the longest time between two runs of the coming week, in seconds, while none fails."""
        return self.seconds if self.cron is None else longest_pause(self.cron, now.date())

    def next_after(self, now: datetime, grace: float = DAY) -> datetime:
        """Return when it is due next; at once where it never ran and no cron line says when.

        A time of a cron line that is past for more than `grace` seconds is left out.
        """
        last = None if self.last_run_at is None else min(self.last_run_at, now)  # another machine's clock may be ahead
        if self.cron is None:
            return now if last is None else max(now, last + timedelta(seconds=self.pause))
        wait = (
            min(FIRST_WAIT * 2.0 ** min(self.consecutive_failures, 20), DAY)
            if self.consecutive_failures and last
            else 1
        )
        due = self.cron.get_next_fire_time(None, (last or now) + timedelta(seconds=wait))
        if due is not None and now - due > timedelta(seconds=grace):
            due = self.cron.get_next_fire_time(None, now - timedelta(seconds=grace))
        return max(now, due) if due is not None else datetime.max.replace(tzinfo=now.tzinfo)
