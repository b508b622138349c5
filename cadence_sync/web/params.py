"""What an address asks for: its filters, read once and strictly."""

from collections.abc import Collection, Mapping, Sized
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from aiohttp import web

from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.web.app_keys import CLOCK
from cadence_sync.web.sessions import session_of

LONGEST = 200
PAGES = 100_000


def words(request: web.Request, name: str) -> str | None:
    """Return what is looked for, without the white space around it; None where nothing is."""
    found = request.query.get(name, "").strip()
    if len(found) > LONGEST or "\0" in found:
        raise ArgumentError(f"The filter {name!r} is too long, or no text.", hint="Look for less.")
    return found or None


def one_of(request: web.Request, name: str, allowed: Collection[str]) -> str | None:
    """Return one of some words; None where nothing is asked for."""
    found = words(request, name)
    if found is not None and found not in allowed:
        raise ArgumentError(f"The filter {name!r} cannot be {found!r}.", hint=f"One of: {', '.join(allowed)}.")
    return found


def number(request: web.Request, name: str, *, default: int = 1, most: int = PAGES) -> int:
    """Return a whole number from 1."""
    found = words(request, name)
    if found is None:
        return default
    if not found.isascii() or not found.isdigit() or not 1 <= int(found) <= most:
        raise ArgumentError(f"The filter {name!r} is no number from 1 to {most}.", hint="Start again without it.")
    return int(found)


def check_page(page: int, rows: Sized) -> None:
    """Refuse a page past the last: shown without its rows, it would say that there are none at all."""
    if page > 1 and not len(rows):
        raise NotFoundError(f"There is no page {page}.", hint="Start again from the first.")


async def form(request: web.Request) -> Mapping[str, str]:
    """Return what a form sent as text: no files, for which the page has no field, and nothing that nobody can see."""
    refusal = ArgumentError("That form cannot be read.", hint="Go back, load the page anew, try again.")
    if request.content_type.startswith("multipart/"):
        raise refusal
    try:
        sent = await request.post()
    except (LookupError, ValueError) as error:  # a charset that nobody knows, or bytes that are not of it
        raise refusal from error
    return {name: value for name, value in sent.items() if isinstance(value, str) and value.isprintable()}


DEFAULT = "UTC"


@cache
def zones() -> tuple[str, ...]:
    """Return the names to choose from: UTC, and places."""
    return (DEFAULT, *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))


def zone_of(request: web.Request) -> ZoneInfo:
    """Return the zone that this browser has chosen."""
    chosen = session_of(request).get("zone", DEFAULT)
    return ZoneInfo(chosen if chosen in zones() else DEFAULT)


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
    day, clock = words(request, name), words(request, f"{name}_time")
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
