"""When an organization is due: its interval or cron line, and ever more rarely while it keeps failing. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cadence_sync.config.settings import Settings
from cadence_sync.db.orgs import ScheduledOrg
from cadence_sync.errors import SettingsError
from cadence_sync.logs import log
from cadence_sync.orgs.config import OrgConfig

_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""By the numbers of crontab(5), in which Sunday is 0 and 7."""
_ITEM: Final = re.compile(r"(?:(\*)|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/([1-7]))?")
WEEK: Final = 7 * 24
HOUR: Final = 3600.0
_LEAP_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""A line that never comes after this never comes."""


@cache
def cron_trigger(line: str, time_zone: str | None = None) -> CronTrigger:
    """Return APScheduler's form of a line of five fields, in UTC unless a zone is named; raises `ValueError`.

    The same line is the same object: APScheduler's cannot be compared, and schedules are compared every few seconds.
    """
    fields = line.split()
    if len(fields) == 5:  # noqa: PLR2004 - minute, hour, day, month, day of the week
        fields[4] = _days(fields[4].lower())
    trigger = CronTrigger.from_crontab(" ".join(fields), timezone=_zone(time_zone))
    if trigger.get_next_fire_time(None, _LEAP_YEAR) is None:
        raise ValueError("that day never comes")
    return trigger


@lru_cache(maxsize=4096)
def longest_pause(trigger: CronTrigger, day: date) -> float:
    """Return the longest time to the next start, in seconds, as it is at some hour of the week from this day on."""
    hours = (datetime.combine(day, time(), UTC) + timedelta(hours=hour) for hour in range(WEEK))
    return max(((trigger.get_next_fire_time(None, hour) or hour) - hour).total_seconds() for hour in hours) or HOUR


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: a folder of zones, such as `Europe`
        raise ValueError(f"there is no time zone {name!r}") from error


def _days(field: str) -> str:
    """Return a field with the days' names, each by itself: APScheduler's weeks do not wrap around on Sunday."""
    return "*" if field == "*" else ",".join(dict.fromkeys(day for item in field.split(",") for day in _item(item)))


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


def checked_cron_trigger(line: str, zone: str) -> CronTrigger:
    """Return a cron line in a time zone; raises `SettingsError` for nonsense."""
    try:
        return cron_trigger(line, zone)
    except ValueError as error:
        raise SettingsError(
            f"The cron line {line!r} in the time zone {zone!r} cannot work: {error}.",
            hint="Five fields, such as '*/15 6-20 * * 1-5', and a zone such as Europe/Berlin.",
        ) from error


def check_default(settings: Settings) -> None:
    """Refuse a cron line or a time zone of the settings that is nonsense."""
    try:
        checked_cron_trigger(settings.sync_cron or "* * * * *", settings.sync_time_zone)
    except SettingsError as error:
        name = "SYNC_TIME_ZONE" if settings.sync_cron is None else "SYNC_CRON"
        raise SettingsError(f"CADENCE_SYNC_{name}: {error.message}", hint=error.hint) from error


def _pass_over(_org_id: str, _error: SettingsError) -> None:
    """Say nothing of it: somebody else does."""


class OncePerMessageLogger:
    """Logs what is wrong with the schedule of an organization, once for as long as it is the same."""

    def __init__(self) -> None:
        self._logged: dict[str, str] = {}

    def log_once(self, org_id: str, error: SettingsError) -> None:
        """Log it unless it was told."""
        if self._logged.get(org_id) != error.message:
            self._logged[org_id] = error.message
            log.error("org_not_scheduled", org_id=org_id, error=error.message, hint=error.hint)


def _is_mine(row: ScheduledOrg, configured: Mapping[str, OrgConfig]) -> bool:
    """Whether its credentials are there; one that was removed is back once the settings name it."""
    return row.org_id in configured or (bool(row.credentials_version) and not row.removed)


def org_schedules(
    settings: Settings,
    configured: Mapping[str, OrgConfig],
    registered: Iterable[ScheduledOrg],
    on_fault: Callable[[str, SettingsError], None] = _pass_over,
) -> dict[str, OrgSchedule]:
    """Return the schedule of every organization that can be reached and is not paused; the faulty are left out."""
    known = {row.org_id: row for row in registered}
    fresh = [
        ScheduledOrg(org_id, org.data_center, True, False, None, None, None, 0, None, "")  # noqa: FBT003 - a row
        for org_id, org in configured.items()
        if org_id not in known
    ]
    reachable = [row for row in known.values() if row.enabled and _is_mine(row, configured)]
    found: dict[str, OrgSchedule] = {}
    for row in (*reachable, *fresh):
        try:
            found[row.org_id] = org_schedule(settings, row)
        except SettingsError as error:
            on_fault(row.org_id, error)
    return found


def org_schedule(settings: Settings, row: ScheduledOrg) -> OrgSchedule:
    """Return the schedule of one organization; raises `SettingsError` for a cron line that is nonsense."""
    own = row.seconds is not None or row.cron is not None
    line = row.cron if own else settings.sync_cron
    cron = None if line is None else checked_cron_trigger(line, row.time_zone or settings.sync_time_zone)
    seconds = row.seconds if row.seconds is not None else settings.interval_seconds
    return OrgSchedule(
        row.org_id, row.data_center, row.credentials_version, seconds, cron, row.consecutive_failures, row.last_run_at
    )


def staleness(schedules: Mapping[str, OrgSchedule], least: timedelta, now: datetime) -> Callable[[str, datetime], bool]:
    """Return what says of an organization, by when it was last read, whether that is worth a message."""

    def is_stale(org_id: str, last: datetime) -> bool:
        return org_id in schedules and schedules[org_id].is_stale(last, now, least)

    return is_stale


def intervals(schedules: Mapping[str, OrgSchedule], now: datetime) -> dict[str, float]:
    """Return how many seconds may lie between two runs of each organization."""
    return {name: schedule.max_interval(now) for name, schedule in schedules.items()}
