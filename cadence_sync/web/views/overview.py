"""The first page: what wants attention, what there is, what changed, and how fresh it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final, NamedTuple, cast

from aiohttp import web
from markupsafe import Markup

from cadence_sync.db.queries import overview as ask
from cadence_sync.db.queries import reading
from cadence_sync.db.queries.attention import attention
from cadence_sync.db.queries.organization import check_known
from cadence_sync.web import charts, params
from cadence_sync.web.app_keys import CLOCK, ENGINE
from cadence_sync.web.params import zone_of
from cadence_sync.web.templating import Nav, page
from cadence_sync.web.views.attention import look

routes = web.RouteTableDef()
nav = Nav("/", "Overview")

SIZE: Final = 25
FIRST: Final = 10
"""Things that want attention, of which the overview shows so many."""
MODULES: Final = 10
"""Modules that have a bar of their own."""
KINDS: Final = ("created", "updated", "deleted", "restored")
STATUSES: Final = ("active", "inactive", "draft")
"""Those with a color of their own."""
WITHOUT: Final = "none"


@routes.get("/")
async def overview(request: web.Request) -> web.Response:
    """Show it, of all organizations or of one."""
    org, search, number = params.words(request, "org"), params.words(request, "search"), params.number(request, "page")
    zone, now = zone_of(request), request.app[CLOCK].now()
    today = now.astimezone(zone).date()
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        looked = await attention(connection, look(request), org, None, 1, FIRST)
        orgs, total = await ask.freshness(connection, search, number, SIZE)
        live = await ask.live(connection, org)
        changes = await ask.changes(connection, org, today - timedelta(days=7 * ask.WEEKS - 1), zone.key)
    params.check_page(number, orgs)
    weeks = _weeks(today, changes)
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
        weeks=weeks,
        kinds=KINDS,
        changes_chart=_changes_chart(weeks),
    )


def _statuses(live: Sequence[ask.Live]) -> list[str]:
    found = sorted({row.status or WITHOUT for row in live})
    return sorted(found, key=lambda status: STATUSES.index(status) if status in STATUSES else len(STATUSES))


def _live_chart(live: Sequence[ask.Live]) -> Markup:
    """One bar a module, the largest first; small ones share one."""
    by_module = [(module or WITHOUT, list(rows)) for module, rows in groupby(live, lambda row: row.module)]
    if len(by_module) > MODULES:
        rest = [row for _, rows in by_module[MODULES - 1 :] for row in rows]
        by_module = [*by_module[: MODULES - 1], ("others", rest)]
    by_module.reverse()  # bars that lie are drawn from the bottom
    series = {
        status: [sum(row.cadences for row in rows if (row.status or WITHOUT) == status) for _, rows in by_module]
        for status in _statuses(live)
    }
    return charts.bars("Live cadences by module and status", [module for module, _ in by_module], series, lying=True)


class Week(NamedTuple):
    """Changes of seven days, by kind."""

    first: date
    changes: Mapping[str, int]


def _weeks(today: date, changes: Sequence[ask.Day]) -> list[Week]:
    """Return the weeks that end today, the oldest first."""
    weeks = [Week(today - timedelta(days=7 * ago - 1), Counter()) for ago in range(ask.WEEKS, 0, -1)]
    for row in changes:
        place = (row.day - weeks[0].first).days // 7
        # What a clock that was ahead dates later is of this week, too.
        cast("Counter[str]", weeks[min(place, ask.WEEKS - 1)].changes)[row.kind] += row.changes
    return weeks


def _changes_chart(weeks: Sequence[Week]) -> Markup:
    series = {kind: [week.changes.get(kind, 0) for week in weeks] for kind in KINDS}
    return charts.bars(
        "Changes of the last 13 weeks", [f"{week.first.day} {week.first:%b}" for week in weeks], series, every=3
    )
