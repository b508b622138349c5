"""Request parameters, validated strictly, and the database snapshot for a request."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, available_timezones

from aiohttp import web

from cadence_sync.db.engine import Engine, EngineConnection
from cadence_sync.db.queries.history import snapshot
from cadence_sync.db.queries.orgs import check_org
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.ports import Clock
from cadence_sync.web.access import IDENTITY
from cadence_sync.web.sessions import session_of

ENGINE: Final = web.AppKey("engine", Engine)
CLOCK: Final = web.AppKey[Clock]("clock")
LONGEST: Final = 200
FORM_BYTES: Final = 16 * 1024
"""Of a form's body: its fields are a token, an address to go on to, an organization."""
FIELDS: Final = 16
BODY_SECONDS: Final = 10
CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_BODY: Final = web.RequestKey("body", bytes)
DEFAULT_ZONE: Final = "UTC"
_SPELLING: Final = "Write a day like 2026-03-01, or a day and a time like 2026-03-01T09:00."


@dataclass(frozen=True, slots=True)
class TimeParam:
    """An instant and the form values that it was parsed from."""

    at: datetime
    day: str
    time: str


def scope_of(request: web.Request, org: str | None = None) -> OrgScope:
    """Returns one organization or all that the identity may see; raises `NotFoundError` for one that it may not.

    Views get a scope nowhere else, and no query of lists runs without one.
    """
    return OrgScope(org, request[IDENTITY].orgs)


@asynccontextmanager
async def reading(request: web.Request, scope: OrgScope) -> AsyncIterator[EngineConnection]:
    """Yields a database snapshot; raises `NotFoundError` for an unknown organization."""
    # A query that takes longer is canceled: the database has other work to do.
    async with snapshot(request.app[ENGINE], timeout_ms=15_000) as connection:
        if scope.single is not None:
            await check_org(connection, scope.single)
        yield connection


def words(request: web.Request, name: str) -> str | None:
    found = request.query.get(name, "").strip()
    if len(found) > LONGEST or "\0" in found:
        raise ArgumentError(f"The filter {name!r} is too long, or no text.", hint="Look for less.")
    return found or None


def one_of(request: web.Request, name: str, allowed: Collection[str]) -> str | None:
    found = words(request, name)
    if found is not None and found not in allowed:
        raise ArgumentError(f"The filter {name!r} cannot be {found!r}.", hint=f"One of: {', '.join(allowed)}.")
    return found


def number(request: web.Request, name: str, *, default: int = 1, most: int = 100_000) -> int:
    found = words(request, name)
    if found is None:
        return default
    if not found.isascii() or not found.isdigit() or not 1 <= int(found) <= most:
        raise ArgumentError(f"The filter {name!r} is no number from 1 to {most}.", hint="Start again without it.")
    return int(found)


def check_page(page: int, rows: Sized) -> None:
    """Refuses a page past the last: an empty page would look like an empty result."""
    if page > 1 and not len(rows):
        raise NotFoundError(f"There is no page {page}.", hint="Start again from the first.")


async def form(request: web.Request) -> Mapping[str, str]:
    """Returns the fields of a form in UTF-8; raises `ArgumentError` for any other body.

    Other charsets are refused before a byte is read: decoding some takes time that is quadratic in the length.
    """
    refusal = ArgumentError("That form cannot be read.", hint="Go back, load the page anew, try again.")
    if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
        raise refusal
    if (request.charset or "utf-8").lower() not in CHARSETS:
        raise refusal
    try:
        async with asyncio.timeout(BODY_SECONDS):
            text = (await _body(request)).decode()
        sent = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS, errors="strict"))
    except (TimeoutError, ValueError) as error:
        raise refusal from error
    return {name: value for name, value in sent.items() if value.isprintable()}


async def _body(request: web.Request) -> bytes:
    """Reads a body once, as several ask for the form; raises `HTTPRequestEntityTooLarge` from `FORM_BYTES` on."""
    if _BODY not in request:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > FORM_BYTES:
                raise web.HTTPRequestEntityTooLarge(max_size=FORM_BYTES, actual_size=len(body))
        request[_BODY] = bytes(body)
    return request[_BODY]


@cache
def zones() -> tuple[str, ...]:
    return (
        DEFAULT_ZONE,
        *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")),
    )


def zone_of(request: web.Request) -> ZoneInfo:
    chosen = session_of(request).zone
    return ZoneInfo(chosen if chosen in zones() else DEFAULT_ZONE)


def time_param(request: web.Request, name: str, *, from_start: bool = False) -> TimeParam | None:
    """Parses the fields `name` and `name_time`; returns None if both are empty.

    A day without a time means its end, which for today is now, or with `from_start` its beginning.
    A local time that occurs twice, as clocks go back, is the first of the two.
    """
    day, clock = words(request, name), words(request, f"{name}_time")
    if day is None:
        if clock is not None:
            raise ArgumentError(f"The time {clock!r} has no day.", hint=_SPELLING, code="BAD_TIME")
        return None
    written = day if clock is None else f"{day}T{clock}"
    zone, now = zone_of(request), request.app[CLOCK].now()
    try:
        at = _instant(written, zone, now, from_start=from_start)
        here = at.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{written!r} is no time.", hint=_SPELLING, code="BAD_TIME") from error
    if at > now:
        raise ArgumentError(
            f"{written!r} lies in the future.", hint="Nothing is known of it yet; ask for now.", code="BAD_TIME"
        )
    whole_day = clock is None and "T" not in written
    return TimeParam(at, here.date().isoformat(), "" if whole_day else here.time().isoformat("seconds"))


def recent(request: web.Request) -> list[tuple[int, str]]:
    today = request.app[CLOCK].now().astimezone(zone_of(request)).date()
    return [(days, (today - timedelta(days=days)).isoformat()) for days in (7, 30, 90)]


def period(request: web.Request, first: str, second: str) -> tuple[TimeParam | None, TimeParam | None]:
    begins, ends = time_param(request, first, from_start=True), time_param(request, second)
    if begins is not None and ends is not None and begins.at > ends.at:
        raise ArgumentError("The first time lies after the second.", hint="Swap them.", code="BAD_TIME")
    return begins, ends


def _instant(written: str, zone: ZoneInfo, now: datetime, *, from_start: bool) -> datetime:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        named = datetime.fromisoformat(written)
        return (named if named.tzinfo else named.replace(tzinfo=zone)).astimezone(UTC)
    begins = datetime.combine(day, time(), zone)
    if from_start:
        return begins.astimezone(UTC)
    ends = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC) - timedelta(microseconds=1)
    return min(ends, now) if begins <= now else ends
