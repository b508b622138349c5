"""Cron lines: the five fields of crontab(5), in a time zone, as triggers of APScheduler."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from cadence_sync.errors import SettingsError

_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""By the numbers of crontab(5), in which Sunday is 0 and 7."""
_ITEM: Final = re.compile(r"(?:(\*)|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/([1-7]))?")
WEEK: Final = 7 * 24
HOUR: Final = 3600.0
_LEAP_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""A line that never comes after this never comes."""


@cache
def cron_trigger(line: str, time_zone: str | None = None) -> CronTrigger:
    """Returns a line of five fields as a trigger, in UTC unless a zone is named; raises `ValueError`.

    The same line is the same object: APScheduler's cannot be compared, and schedules are compared every few seconds.
    """
    fields = line.split()
    if len(fields) == 5:  # noqa: PLR2004 - minute, hour, day, month, day of the week
        fields[4] = _days(fields[4].lower())
    trigger = CronTrigger.from_crontab(" ".join(fields), timezone=_zone(time_zone))
    if trigger.get_next_fire_time(None, _LEAP_YEAR) is None:
        raise ValueError("that day never comes")
    return trigger


def checked_cron_trigger(line: str, zone: str) -> CronTrigger:
    """Returns the same; raises `SettingsError`."""
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
    """Returns a field with the days' names, each by itself: APScheduler's weeks do not wrap around on Sunday."""
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
