"""The first page: how fresh everything is, what there is, what changed, and what wants attention."""

from datetime import date, timedelta
from itertools import groupby
from typing import Final

from aiohttp import web

from cadence_sync.db.pages import overview as ask
from cadence_sync.db.pages import reading
from cadence_sync.web import charts, query
from cadence_sync.web.frame import Nav, page
from cadence_sync.web.keys import CLOCK, ENGINE
from cadence_sync.web.zones import zone_of

routes = web.RouteTableDef()
nav = Nav("/", "Overview")

SIZE: Final = 50


@routes.get("/")
async def overview(request: web.Request) -> web.Response:
    """Show it."""
    search, number = query.words(request, "search"), query.number(request, "page")
    zone, now = zone_of(request), request.app[CLOCK].now()
    since = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=ask.DAYS - 1)
    async with reading(request.app[ENGINE]) as connection:
        orgs, total = await ask.freshness(connection, search, number, SIZE)
        live = await ask.live(connection, None)
        changes = await ask.changes(connection, None, since, zone.key)
    days = [(since + timedelta(days=number)).date() for number in range(ask.DAYS)]
    return await page(
        request,
        "overview.html",
        orgs=orgs,
        total=total,
        number=number,
        size=SIZE,
        live={module: list(rows) for module, rows in groupby(live, lambda row: row.module)},
        live_chart=_live_chart(live),
        statuses=sorted({row.status or "without" for row in live}),
        kinds=sorted({row.kind for row in changes}),
        changes={day: list(rows) for day, rows in groupby(changes, lambda row: row.day)},
        changes_chart=_changes_chart(days, changes),
    )


def _live_chart(live: list[ask.Live]) -> object:
    modules = list(dict.fromkeys(row.module for row in live))
    counts = {(row.module, row.status): row.cadences for row in live}
    series = {
        status or "without": [counts.get((module, status), 0) for module in modules]
        for status in sorted({row.status for row in live}, key=str)
    }
    return charts.bars("Live cadences by module and status", [module or "none" for module in modules], series)


def _changes_chart(days: list[date], changes: list[ask.Day]) -> object:
    counts = {(row.day, row.kind): row.changes for row in changes}
    series = {kind: [counts.get((day, kind), 0) for day in days] for kind in sorted({row.kind for row in changes})}
    return charts.bars("Changes of the last 90 days", [day.isoformat() for day in days], series, every=14)
