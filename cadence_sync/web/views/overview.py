"""The overview of all organizations, what needs attention, and the page of one organization."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from cadence_sync.core.labels import CHANGE_KINDS
from cadence_sync.db.audit import enter_alone, list_actions
from cadence_sync.db.queries import orgs, overview
from cadence_sync.db.queries.runs import list_runs
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.web import params
from cadence_sync.web.access import actor_of
from cadence_sync.web.charts import draw_bars
from cadence_sync.web.templating import flash, page

routes = web.RouteTableDef()

Schedules = Callable[[], Mapping[str, float]]
"""Returns the seconds between two syncs of each organization, as far as this process's scheduler knows them."""

RequestSync = Callable[[str], Awaitable[str]]
"""Requests a sync of an organization; returns `entered`, `moved ahead`, `running` or `done`."""

REQUEST_SYNC: Final = web.AppKey[RequestSync]("request_sync")
INTERVAL: Final = web.AppKey("interval", float)
"""Seconds between two syncs of an organization without a schedule of its own."""
SCHEDULES: Final = web.AppKey[Schedules]("schedules")

SIZE: Final = 25
RUNS: Final = 10
ACTIONS: Final = 20
ATTENTION: Final = 10
"""Items that need attention on the overview."""
ATTENTION_SIZE: Final = 50
MODULES: Final = 10
"""Modules with a bar of their own."""
STATUSES: Final = ("active", "inactive", "draft")
"""Statuses with a color of their own."""
WITHOUT: Final = "none"
_STATES: Final = {
    "entered": "A sync of {} is queued.",
    "moved ahead": "A sync of {} was queued already; it goes first now.",
    "done": "{} was synced.",
    "running": "A sync of {} is under way already.",
}


@routes.get("/")
async def show_overview(request: web.Request) -> web.Response:
    scope = params.scope_of(request, params.words(request, "org"))
    search, number = params.words(request, "search"), params.number(request, "page")
    zone = params.zone_of(request)
    today = request.app[params.CLOCK].now().astimezone(zone).date()
    first = today - timedelta(days=7 * overview.WEEKS - 1)
    async with params.reading(request, scope) as connection:
        attention = await overview.load_attention(connection, _attention_query(request), scope, None, 1, ATTENTION)
        found, total = await orgs.list_orgs(connection, scope.whole, search, number, SIZE)
        live = await overview.count_live(connection, scope)
        changes = await overview.count_changes(connection, scope, first, zone.key)
    params.check_page(number, found)
    weeks = _weeks(first, changes)
    return await page(
        request,
        "overview.html",
        attention=attention,
        orgs=found,
        total=total,
        number=number,
        size=SIZE,
        live=live,
        statuses=_statuses(live),
        live_chart=_live_chart(live),
        weeks=weeks,
        kinds=CHANGE_KINDS,
        changes_chart=_changes_chart(weeks),
    )


@routes.get("/attention")
async def list_attention(request: web.Request) -> web.Response:
    scope = params.scope_of(request, params.words(request, "org"))
    kind, number = params.one_of(request, "kind", overview.ATTENTION_KINDS), params.number(request, "page")
    query = _attention_query(request)
    async with params.reading(request, scope) as connection:
        found = await overview.load_attention(connection, query, scope, kind, number, ATTENTION_SIZE)
    params.check_page(number, found.rows)
    return await page(
        request,
        "attention.html",
        found=found,
        total=found.total(kind),
        number=number,
        size=ATTENTION_SIZE,
        kinds=overview.ATTENTION_KINDS,
    )


@routes.get("/organization")
async def show_org(request: web.Request) -> web.Response:
    org = params.words(request, "org")
    if org is None:
        raise ArgumentError("No organization is named.", hint="Choose one on the overview.")
    scope = params.scope_of(request, org)
    async with params.reading(request, scope) as connection:
        found = await orgs.load_org(connection, org)
        runs, _ = await list_runs(connection, scope, None, 1, RUNS)
        drift = await orgs.load_drift(connection, org)
        actions, _ = await list_actions(connection, scope, 1, ACTIONS)
    interval = request.app[SCHEDULES]().get(org, request.app[INTERVAL])
    return await page(
        request, "organization.html", org=found, interval=interval, runs=runs, drift=drift, actions=actions
    )


@routes.post("/organization/sync")
async def request_sync(request: web.Request) -> web.Response:
    engine, org = request.app[params.ENGINE], (await params.form(request)).get("org", "")
    async with params.reading(request, params.scope_of(request, org)):
        pass  # the organization exists
    try:
        state = await request.app[REQUEST_SYNC](org)
    except CadenceSyncError as error:
        await enter_alone(engine, actor_of(request), "sync", f"refused: {error.message}", org_id=org)
        raise
    await enter_alone(engine, actor_of(request), "sync", state, org_id=org)
    flash(request, _STATES[state].format(org))
    raise web.HTTPSeeOther(f"/organization?{urlencode({'org': org})}")


def _attention_query(request: web.Request) -> overview.AttentionQuery:
    app = request.app
    return overview.AttentionQuery(app[params.CLOCK].now(), app[INTERVAL], app[SCHEDULES]())


def _statuses(live: Sequence[overview.Live]) -> list[str]:
    found = sorted({row.status or WITHOUT for row in live})
    return sorted(found, key=lambda status: STATUSES.index(status) if status in STATUSES else len(STATUSES))


def _live_chart(live: Sequence[overview.Live]) -> Markup:
    by_module = [(module or WITHOUT, list(rows)) for module, rows in groupby(live, lambda row: row.module)]
    if len(by_module) > MODULES:
        rest = [row for _, rows in by_module[MODULES - 1 :] for row in rows]
        by_module = [*by_module[: MODULES - 1], ("others", rest)]
    by_module.reverse()  # horizontal bars are drawn from the bottom
    names = tuple(name for name, _ in by_module)
    series = tuple(
        (status, tuple(sum(row.cadences for row in rows if (row.status or WITHOUT) == status) for _, rows in by_module))
        for status in _statuses(live)
    )
    return draw_bars("Live cadences by module and status", names, series, horizontal=True)


def _weeks(first: date, changes: Sequence[overview.Day]) -> dict[date, Counter[str]]:
    counts: list[Counter[str]] = [Counter() for _ in range(overview.WEEKS)]
    for row in changes:
        # Changes that a fast clock dated later belong to this week, too.
        counts[min((row.day - first).days // 7, overview.WEEKS - 1)][row.kind] += row.changes
    return {first + timedelta(days=7 * number): count for number, count in enumerate(counts)}


def _changes_chart(weeks: Mapping[date, Mapping[str, int]]) -> Markup:
    labels = tuple(f"{first.day} {first:%b}" for first in weeks)
    series = tuple((kind, tuple(count.get(kind, 0) for count in weeks.values())) for kind in CHANGE_KINDS)
    return draw_bars("Changes of the last 13 weeks", labels, series, every=3)
