"""Times that a person asks for: a day, or a day and a time, in the zone in which the web UI shows times."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from aiohttp import web

from cadence_sync.errors import ArgumentError
from cadence_sync.web import params
from cadence_sync.web.app_keys import CLOCK
from cadence_sync.web.time_zones import zone_of

_SPELLING = "Write a day like 2026-03-01, or a day and a time like 2026-03-01T09:00."
RECENT = (7, 30, 90)
_TICK = timedelta(microseconds=1)


class Edge(Enum):
    """What a day without a time stands for."""

    BEGIN = "its beginning"
    END = "its end"


@dataclass(frozen=True, slots=True)
class TimeParam:
    """An instant, and how it stands in a form."""

    at: datetime
    day: str
    time: str


def time_param(request: web.Request, name: str, edge: Edge) -> TimeParam | None:
    """Return the instant that the fields `name` and `name_time` name, None where they are empty.

    A time that comes twice, as clocks go back, is the first of the two; today ends now.
    """
    day, clock = params.words(request, name), params.words(request, f"{name}_time")
    if day is None:
        if clock is not None:
            raise ArgumentError(f"The time {clock!r} has no day.", hint=_SPELLING, code="BAD_TIME")
        return None
    written = day if clock is None else f"{day}T{clock}"
    zone, now = zone_of(request), request.app[CLOCK].now()
    try:
        at = _instant(written, edge, zone, now)
        here = at.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{written!r} is no time.", hint=_SPELLING, code="BAD_TIME") from error
    if at > now:
        raise ArgumentError(
            f"{written!r} lies in the future.", hint="Nothing is known of it yet; ask for now.", code="BAD_TIME"
        )
    whole_day = clock is None and "T" not in written
    return TimeParam(at, here.date().isoformat(), "" if whole_day else here.time().isoformat("seconds"))


def present(request: web.Request) -> TimeParam:
    """Return now, which needs no field."""
    return TimeParam(request.app[CLOCK].now(), "", "")


def recent(request: web.Request) -> list[tuple[int, str]]:
    """Return so many days and the first of them, which people ask for most."""
    today = request.app[CLOCK].now().astimezone(zone_of(request)).date()
    return [(days, (today - timedelta(days=days)).isoformat()) for days in RECENT]


def check_order(begins: TimeParam | None, ends: TimeParam | None) -> None:
    """Refuse a period that ends before it begins: nothing can lie in it."""
    if begins is not None and ends is not None and begins.at > ends.at:
        raise ArgumentError("The first time lies after the second.", hint="Swap them.", code="BAD_TIME")


def _instant(written: str, edge: Edge, zone: ZoneInfo, now: datetime) -> datetime:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        named = datetime.fromisoformat(written)
        return (named if named.tzinfo else named.replace(tzinfo=zone)).astimezone(UTC)
    begins = datetime.combine(day, time(), zone)
    if edge is Edge.BEGIN:
        return begins.astimezone(UTC)
    ends = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC) - _TICK
    return min(ends, now) if begins <= now else ends
