"""When an organization is due: its interval or cron line, with a backoff while it keeps failing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings, seconds_of
from cadence_sync.daemon.cron import checked_cron_trigger, longest_pause
from cadence_sync.db.orgs import OrgRow, load_scheduled_orgs
from cadence_sync.db.queue import driver_of
from cadence_sync.errors import SettingsError
from cadence_sync.logs import log

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.db.queue import Connection

DAY: Final = 86400.0
JITTER: Final = 0.1
"""Share of the interval by which runs are spread, so that organizations do not all start at once."""
FIRST_WAIT: Final = 60.0
"""Seconds to wait at least after a failure, and twice as many after each further one."""


@dataclass(frozen=True, slots=True)
class OrgSchedule:
    """How often an organization is synced: by a cron line, else by an interval in seconds."""

    org: OrgRow
    seconds: float
    cron: CronTrigger | None = None

    @property
    def pause(self) -> float:
        """Seconds from one run to the next; with each failure twice as many, up to a day if it is not longer anyhow."""
        if self.org.consecutive_failures == 0:
            return self.seconds
        return min(max(self.seconds, FIRST_WAIT) * self._backoff, max(self.seconds, DAY))

    @property
    def _backoff(self) -> float:
        return 2.0 ** min(self.org.consecutive_failures, 20)

    def is_stale(self, last: datetime, now: datetime, least: timedelta) -> bool:
        """Whether it was read too long ago: by three intervals and `least`, or `least` after its cron line."""
        if self.cron is None:
            return now - last > max(least, timedelta(seconds=3 * self.seconds))
        missed = self.cron.get_next_fire_time(None, last + timedelta(seconds=1))
        return missed is not None and now - missed > least

    def same_schedule(self, other: "OrgSchedule") -> bool:
        """Whether it is still to be synced at the same times: that it ran again does not change them."""
        return self == replace(other, org=replace(other.org, last_run_at=self.org.last_run_at))

    def trigger(self) -> BaseTrigger:
        """Returns APScheduler's form of it, which counts from the first time on; jitter spreads organizations."""
        if self.cron is not None:
            return self.cron
        return IntervalTrigger(seconds=self.pause, jitter=self.pause * JITTER, timezone=UTC)

    def max_interval(self, now: datetime) -> float:
        """Returns the longest time between two runs of the coming week, in seconds, while none fails."""
        return self.seconds if self.cron is None else longest_pause(self.cron, now.date())

    def next_after(self, now: datetime, grace: float = DAY) -> datetime:
        """Returns when it is due next; at once where it never ran and no cron line says when.

        A time of a cron line that is past for more than `grace` seconds is left out.
        """
        last = self.org.last_run_at and min(self.org.last_run_at, now)  # another machine's clock may be ahead
        if self.cron is None:
            return now if last is None else max(now, last + timedelta(seconds=self.pause))
        wait = min(FIRST_WAIT * self._backoff, DAY) if self.org.consecutive_failures and last else 1
        due = self.cron.get_next_fire_time(None, (last or now) + timedelta(seconds=wait))
        if due is not None and now - due > timedelta(seconds=grace):
            due = self.cron.get_next_fire_time(None, now - timedelta(seconds=grace))
        return max(now, due) if due is not None else datetime.max.replace(tzinfo=now.tzinfo)


@dataclass(slots=True)
class ScheduleSource:
    """The schedules of all organizations, as settings and database have them now."""

    settings: Settings
    engine: "AsyncEngine"
    configured: Mapping[str, OrgConfig]
    _faults: dict[str, str] = field(default_factory=dict)
    _had_orgs: bool = True

    async def load(self, connection: "Connection") -> Mapping[str, OrgSchedule]:
        """Loads the schedules for the scheduler, and logs each fault once for as long as it is the same."""
        found = org_schedules(self.settings, self.configured, await load_scheduled_orgs(connection), self._log_once)
        if self._had_orgs and not found:
            log.warning("no_orgs", hint="Run `cadence-sync init`, or add one with `cadence-sync org add`.")
        self._had_orgs = bool(found)
        return found

    async def look(self) -> Mapping[str, OrgSchedule]:
        async with driver_of(self.engine) as connection:
            return org_schedules(self.settings, self.configured, await load_scheduled_orgs(connection))

    def _log_once(self, org_id: str, error: SettingsError) -> None:
        if self._faults.get(org_id) != error.message:
            self._faults[org_id] = error.message
            log.error("org_not_scheduled", org_id=org_id, error=error.message, hint=error.hint)


def check_default(settings: Settings) -> None:
    """Raises `SettingsError` where the cron line or the time zone of the settings is invalid."""
    try:
        checked_cron_trigger(settings.sync_cron or "* * * * *", settings.sync_time_zone)
    except SettingsError as error:
        name = "SYNC_TIME_ZONE" if settings.sync_cron is None else "SYNC_CRON"
        raise SettingsError(f"CADENCE_SYNC_{name}: {error.message}", hint=error.hint) from error


def org_schedules(
    settings: Settings,
    configured: Mapping[str, OrgConfig],
    stored: Iterable[OrgRow],
    on_fault: Callable[[str, SettingsError], None] | None = None,
) -> dict[str, OrgSchedule]:
    """Returns the schedule of every organization that can be reached and is not paused; the faulty are left out.

    One that was removed is back once the settings name it.
    """
    rows = {org_id: OrgRow(org_id, org.data_center) for org_id, org in configured.items()}
    rows |= {row.org_id: row for row in stored}
    found: dict[str, OrgSchedule] = {}
    for row in rows.values():
        if row.enabled and (row.org_id in configured or row.is_stored):
            try:
                found[row.org_id] = org_schedule(settings, row)
            except SettingsError as error:
                if on_fault is not None:
                    on_fault(row.org_id, error)
    return found


def org_schedule(settings: Settings, row: OrgRow) -> OrgSchedule:
    """Returns the schedule of one organization; raises `SettingsError` for an invalid cron line."""
    own = row.sync_interval_seconds is not None or row.sync_cron is not None
    line = row.sync_cron if own else settings.sync_cron
    cron = None if line is None else checked_cron_trigger(line, row.time_zone or settings.sync_time_zone)
    seconds = row.sync_interval_seconds if row.sync_interval_seconds is not None else settings.interval_seconds
    return OrgSchedule(row, seconds, cron)


def staleness(
    settings: Settings, schedules: Mapping[str, OrgSchedule], now: datetime
) -> Callable[[str, datetime], bool]:
    """Returns a predicate: is this organization's last listing stale enough to alert?"""
    least = timedelta(seconds=seconds_of(settings.alerts.stale_after))

    def is_stale(org_id: str, last: datetime) -> bool:
        return org_id in schedules and schedules[org_id].is_stale(last, now, least)

    return is_stale
