"""Time travel: all cadences as they were at a time, and what differs between two times."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from cadence_sync.db.queries import as_of, reading
from cadence_sync.db.queries.history import history_start as watched_orgs
from cadence_sync.db.queries.organization import check_known
from cadence_sync.errors import ArgumentError
from cadence_sync.web import params
from cadence_sync.web.app_keys import ENGINE
from cadence_sync.web.csv_export import send_csv
from cadence_sync.web.params import Edge, TimeParam, check_order, present, recent, time_param, zone_of
from cadence_sync.web.templating import Nav, page

routes = web.RouteTableDef()
nav = Nav("/past", "Time travel")

SIZE: Final = 100
CADENCES: Final = 50
"""Cadences on a page of differences: each may have many fields."""
Watched = Mapping[str, datetime | None]


@routes.get("/past")
async def past(request: web.Request) -> web.Response:
    """Show the list of a time."""
    axis, org, text = _axis(request), params.words(request, "org") or "", params.words(request, "search") or ""
    number = params.number(request, "page")
    wrong, then, total = None, None, 0
    rows: list[as_of.CadenceAsOf] = []
    try:
        then = time_param(request, "on", Edge.END)
    except ArgumentError as error:
        wrong = error
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        watched = await watched_orgs(connection)
        if then is not None:
            rows, total = await as_of.as_of(connection, then.at, axis, org, text, SIZE, (number - 1) * SIZE)
    params.check_page(number, rows)
    return await page(
        request,
        "past.html",
        status=400 if wrong else 200,
        wrong=wrong,
        then=then,
        axis=axis,
        orgs=list(watched),
        unwatched=_unwatched(watched, org, then),
        rows=rows,
        total=total,
        number=number,
        size=SIZE,
    )


@routes.get("/past.csv")
async def past_csv(request: web.Request) -> web.StreamResponse:
    """Send the list of a time whole."""
    axis, org, text = _axis(request), params.words(request, "org") or "", params.words(request, "search") or ""
    then = time_param(request, "on", Edge.END)
    if then is None:
        raise ArgumentError("It needs a day.", hint="Choose one in the web UI.", code="BAD_TIME")
    at = then.at
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)

    async def lines() -> AsyncIterator[list[object]]:
        async with reading(request.app[ENGINE]) as connection:
            rows, _ = await as_of.as_of(connection, at, axis, org, text, None, 0)
        for row in rows:
            yield [getattr(row, name) for name in as_of.CadenceAsOf.__slots__]

    return await send_csv(request, "cadences-then", as_of.CadenceAsOf.__slots__, lines())


@routes.get("/past/difference")
async def difference(request: web.Request) -> web.Response:
    """Show what differs between two times."""
    axis, org, number = _axis(request), params.words(request, "org") or "", params.number(request, "page")
    wrong, begins, ends = None, None, None
    found: list[as_of.Difference] = []
    try:
        begins, ends = _period(request)
    except ArgumentError as error:
        wrong = error
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        watched = await watched_orgs(connection)
        shown = found
        if begins is not None and ends is not None:
            found = await as_of.difference(connection, begins.at, ends.at, axis, org)
            shown = await as_of.named(connection, found[(number - 1) * CADENCES : number * CADENCES])
    params.check_page(number, shown)
    unwatched = _unwatched(watched, org, begins)
    return await page(
        request,
        "difference.html",
        status=400 if wrong else 200,
        wrong=wrong,
        begins=begins,
        ends=ends,
        axis=axis,
        orgs=list(watched),
        recent=recent(request),
        unwatched=unwatched,
        known=len(unwatched) < (1 if org else len(watched)),
        since=_beginning(unwatched, zone_of(request)),
        differences=shown,
        total=len(found),
        number=number,
        size=CADENCES,
    )


def _axis(request: web.Request) -> as_of.Axis:
    return as_of.Axis(params.one_of(request, "axis", tuple(as_of.Axis)) or as_of.Axis.VALID)


def _period(request: web.Request) -> tuple[TimeParam | None, TimeParam | None]:
    """Return both times; the second is now where only the first is given."""
    begins, ends = time_param(request, "from", Edge.BEGIN), time_param(request, "to", Edge.END)
    if begins is None and ends is not None:
        raise ArgumentError("It needs the day to compare with.", hint="Choose it in the first field.", code="BAD_TIME")
    if begins is None:
        return None, None
    ends = ends or present(request)
    check_order(begins, ends)
    return begins, ends


def _unwatched(watched: Watched, org: str, then: TimeParam | None) -> dict[str, datetime | None]:
    """Return the organizations of which nothing is known at that time, and since when they are watched."""
    if then is None:
        return {}
    return {name: since for name, since in watched.items() if org in ("", name) and (since is None or then.at < since)}


def _beginning(unwatched: Mapping[str, datetime | None], zone: ZoneInfo) -> datetime | None:
    """Return the first whole second of which something is known."""
    first = min((since for since in unwatched.values() if since is not None), default=None)
    return None if first is None else (first + timedelta(seconds=1)).replace(microsecond=0).astimezone(zone)
