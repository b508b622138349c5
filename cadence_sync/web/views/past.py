"""Time travel: all cadences as they were at a time, and what differs between two times."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from cadence_sync.core.labels import Axis
from cadence_sync.db.queries import as_of
from cadence_sync.db.queries.history import find_unwatched, load_history_start
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError
from cadence_sync.web import params
from cadence_sync.web.csv_export import Batches, send_csv
from cadence_sync.web.downloads import exporting
from cadence_sync.web.templating import page

routes = web.RouteTableDef()

SIZE: Final = 100
DIFFERENCES: Final = 50
"""Cadences on a page of differences: each may have many fields."""
COLUMNS: Final = (
    *("org_id", "cadence_id", "version", "name", "type", "status", "active", "published"),
    *("module_id", "module_api_name", "custom_view_id", "custom_view_name", "follow_up_count", "execution_interval"),
    *("created_time", "created_by_id", "created_by_name", "modified_time", "modified_by_id", "modified_by_name"),
    "last_changed_at",
)


@routes.get("/past")
async def list_past(request: web.Request) -> web.Response:
    axis, scope, words = _axis(request), _scope(request), params.words(request, "search")
    number = params.number(request, "page")
    wrong, then, total = None, None, 0
    rows: Sequence[object] = []
    try:
        then = params.time_param(request, "on")
    except ArgumentError as error:
        wrong = error
    async with params.reading(request, scope) as connection:
        watched = await load_history_start(connection, scope.whole)
        if then is not None:
            query = as_of.PastQuery(then.at, axis, COLUMNS, scope, words, SIZE, (number - 1) * SIZE)
            rows, total = await as_of.list_as_of(connection, query)
    params.check_page(number, rows)
    return await page(
        request,
        "past.html",
        status=400 if wrong else 200,
        wrong=wrong,
        then=then,
        axis=axis,
        orgs=list(watched),
        unwatched=find_unwatched(watched, scope.org, then.at) if then else {},
        rows=rows,
        total=total,
        number=number,
        size=SIZE,
    )


@routes.get("/past.csv")
async def export_past(request: web.Request) -> web.StreamResponse:
    axis, scope, words = _axis(request), _scope(request), params.words(request, "search")
    then = params.time_param(request, "on")
    if then is None:
        raise ArgumentError("It needs a day.", hint="Choose one in the web UI.", code="BAD_TIME")
    query = as_of.PastQuery(then.at, axis, COLUMNS, scope, words)
    async with exporting(request):
        async with params.reading(request, scope) as connection:
            parts = await as_of.load_keys(connection, query)

        async def batches() -> Batches:
            for keys in parts:
                async with params.reading(request, scope) as connection:
                    rows = await as_of.load_listed(connection, query, keys)
                yield rows

        return await send_csv(request, "cadences-then", COLUMNS, batches())


@routes.get("/past/difference")
async def compare_times(request: web.Request) -> web.Response:
    axis, scope, number = _axis(request), _scope(request), params.number(request, "page")
    wrong, begins, ends = None, None, None
    found: list[as_of.Difference] = []
    try:
        begins, ends = _period(request)
    except ArgumentError as error:
        wrong = error
    async with params.reading(request, scope) as connection:
        watched = await load_history_start(connection, scope.whole)
        shown = found
        if begins is not None and ends is not None:
            found = await as_of.compare_times(connection, begins.at, ends.at, axis, scope)
            shown = await as_of.add_labels(connection, found[(number - 1) * DIFFERENCES : number * DIFFERENCES])
    params.check_page(number, shown)
    unwatched = find_unwatched(watched, scope.org, begins.at) if begins else {}
    return await page(
        request,
        "difference.html",
        status=400 if wrong else 200,
        wrong=wrong,
        begins=begins,
        ends=ends,
        axis=axis,
        orgs=list(watched),
        recent=params.recent(request),
        unwatched=unwatched,
        known=len(unwatched) < (1 if scope.org else len(watched)),
        since=_beginning(unwatched, params.zone_of(request)),
        differences=shown,
        total=len(found),
        number=number,
        size=DIFFERENCES,
    )


def _scope(request: web.Request) -> OrgScope:
    return params.scope_of(request, params.words(request, "org"))


def _axis(request: web.Request) -> Axis:
    return Axis(params.one_of(request, "axis", tuple(Axis)) or Axis.VALID)


def _period(request: web.Request) -> tuple[params.TimeParam | None, params.TimeParam | None]:
    begins, ends = params.period(request, "from", "to")
    if begins is None and ends is not None:
        raise ArgumentError("It needs the day to compare with.", hint="Choose it in the first field.", code="BAD_TIME")
    if begins is not None and ends is None:
        ends = params.TimeParam(request.app[params.CLOCK].now(), "", "")
    return begins, ends


def _beginning(unwatched: Mapping[str, datetime | None], zone: ZoneInfo) -> datetime | None:
    first = min((since for since in unwatched.values() if since is not None), default=None)
    return None if first is None else (first + timedelta(seconds=1)).replace(microsecond=0).astimezone(zone)
