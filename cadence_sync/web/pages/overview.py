"""The first page: what wants attention, what there is, what changed, and how fresh it is."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from aiohttp import web
from markupsafe import Markup

from cadence_sync.db.pages import overview as ask
from cadence_sync.db.pages import reading
from cadence_sync.db.pages.attention import attention
from cadence_sync.web import charts, query
from cadence_sync.web.frame import Nav, page
from cadence_sync.web.keys import CLOCK, ENGINE
from cadence_sync.web.pages.attention import look
from cadence_sync.web.zones import zone_of

routes = web.RouteTableDef()
nav = Nav("/", "Overview")

SIZE: Final = 25
FIRST: Final = 10
"""Things that want attention, of which the overview shows so many."""
MODULES: Final = 10
"""Modules that have a bar of their own."""
KINDS: Final = ("created", "updated", "deleted", "restored")
WITHOUT: Final = "none"


@routes.get("/")
async def overview(request: web.Request) -> web.Response:
    """Show it, of all organisations or of one."""
    org, search, number = query.words(request, "org"), query.words(request, "search"), query.number(request, "page")
    zone, now = zone_of(request), request.app[CLOCK].now()
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(ask.DAYS))]
    async with reading(request.app[ENGINE]) as connection:
        looked = await attention(connection, look(request), None, 1, FIRST)
        orgs, total = await ask.freshness(connection, search, number, SIZE)
        live = await ask.live(connection, org)
        changes = await ask.changes(connection, org, days[0], zone.key)
    return await page(
        request,
        "overview.html",
        looked=looked,
        orgs=orgs,
        total=total,
        number=number,
        size=SIZE,
        live=live,
        statuses=_statuses(live),
        live_chart=_live_chart(live),
        changes=changes,
        kinds=KINDS,
        changes_chart=_changes_chart(days, changes),
    )


def _statuses(live: Sequence[ask.Live]) -> list[str]:
    return sorted({row.status or WITHOUT for row in live})


def _live_chart(live: Sequence[ask.Live]) -> Markup:
    """One bar a module, the largest first; small ones share one."""
    by_module = [(module or WITHOUT, list(rows)) for module, rows in groupby(live, lambda row: row.module)]
    if len(by_module) > MODULES:
        rest = [row for _, rows in by_module[MODULES - 1 :] for row in rows]
        by_module = [*by_module[: MODULES - 1], ("others", rest)]
    series = {
        status: [sum(row.cadences for row in rows if (row.status or WITHOUT) == status) for _, rows in by_module]
        for status in _statuses(live)
    }
    return charts.bars("Live cadences by module and status", [module for module, _ in by_module], series)


def _changes_chart(days: Sequence[date], changes: Sequence[ask.Day]) -> Markup:
    counts = {(row.day, row.kind): row.changes for row in changes}
    series = {kind: [counts.get((day, kind), 0) for day in days] for kind in KINDS}
    return charts.bars("Changes of the last 90 days", [f"{day:%-d %b}" for day in days], series, every=14)
