"""When an organization is due: its interval or cron line, with a backoff while it keeps failing."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cadence_sync.alerts.routing import IsStale
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings, seconds_of
from cadence_sync.db.engine import Engine
from cadence_sync.db.orgs import OrgRow, load_scheduled_orgs
from cadence_sync.db.queue import Connection, driver_of
from cadence_sync.errors import SettingsError
from cadence_sync.logs import log

HOUR: Final = 3600.0
DAY: Final = 86400.0
JITTER: Final = 0.1
"""Share of the interval by which runs are spread, so that organizations do not all start at once."""
FIRST_WAIT: Final = 60.0
"""Seconds to wait at least after a failure, and twice as many after each further one."""
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""By the numbers of crontab(5), in which Sunday is 0 and 7."""
_ITEM: Final = re.compile(r"(?:(\*)|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/([1-7]))?")


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
        if self.cron is not None:
            return self.cron
        return IntervalTrigger(seconds=self.pause, jitter=self.pause * JITTER, timezone=UTC)

    def max_interval(self, now: datetime) -> float:
        """Returns the longest time between two runs of the coming week, in seconds, while none fails."""
        return self.seconds if self.cron is None else longest_pause(self.cron, now.date())

    def next_after(self, now: datetime, grace: float = DAY) -> datetime:
        """Returns when it is due next; cron times that were missed by more than `grace` seconds are skipped."""
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
    settings: Settings
    engine: Engine
    configured: Mapping[str, OrgConfig]
    _faults: dict[str, str] = field(default_factory=dict)
    _had_orgs: bool = True

    async def load(self, connection: Connection) -> Mapping[str, OrgSchedule]:
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
    """Returns the schedules of what can be reached and is not paused; what was removed is back once configured."""
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


def staleness(settings: Settings, schedules: Mapping[str, OrgSchedule], now: datetime) -> IsStale:
    least = timedelta(seconds=seconds_of(settings.alerts.stale_after))

    def is_stale(org_id: str, last: datetime) -> bool:
        return org_id in schedules and schedules[org_id].is_stale(last, now, least)

    return is_stale


@cache
def cron_trigger(line: str, time_zone: str | None = None) -> CronTrigger:
    """Returns a line of five fields as a trigger, in UTC unless a zone is named; raises `ValueError`.

    The same line is the same object: APScheduler's cannot be compared, and schedules are compared every few seconds.
    """
    fields = line.split()
    if len(fields) == 5 and fields[4] != "*":  # noqa: PLR2004 - minute, hour, day, month, day of the week
        # The days' names, each by itself: APScheduler's weeks do not wrap around on Sunday.
        days = [day for item in fields[4].lower().split(",") for day in _item(item)]
        fields[4] = ",".join(dict.fromkeys(days))
    trigger = CronTrigger.from_crontab(" ".join(fields), timezone=_zone(time_zone))
    if trigger.get_next_fire_time(None, datetime(2024, 1, 1, tzinfo=UTC)) is None:  # a leap year
        raise ValueError("that day never comes")
    return trigger


def checked_cron_trigger(line: str, zone: str) -> CronTrigger:
    """Like `cron_trigger`, but raises `SettingsError`."""
    try:
        return cron_trigger(line, zone)
    except ValueError as error:
        raise SettingsError(
            f"The cron line {line!r} in the time zone {zone!r} cannot work: {error}.",
            hint="Five fields, such as '*/15 6-20 * * 1-5', and a zone such as Europe/Berlin.",
        ) from error


@lru_cache(maxsize=4096)
def longest_pause(trigger: CronTrigger, day: date) -> float:
    """Returns the longest time in seconds from an hour of the week after this day to the next start."""
    hours = (datetime.combine(day, time(), UTC) + timedelta(hours=hour) for hour in range(7 * 24))
    return max(((trigger.get_next_fire_time(None, hour) or hour) - hour).total_seconds() for hour in hours) or HOUR


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: a folder of zones, such as `Europe`
        raise ValueError(f"there is no time zone {name!r}") from error


def _item(item: str) -> tuple[str, ...]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"{item!r} is no day of the week")
    every, first, last, step = match.groups()
    start = 0 if every else _number(first)
    end = 6 if every or (step and not last) else _number(last or first)
    if last == "sun":
        end = 7
    if end < start:
        raise ValueError(f"{item!r} ends before it begins")
    return _DAYS[start : end + 1 : int(step or 1)]


def _number(day: str) -> int:
    if not day.isdigit() and day not in _DAYS:
        raise ValueError(f"{day!r} is no day of the week")
    return int(day) if day.isdigit() else _DAYS.index(day)
