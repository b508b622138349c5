"""Cadences: the list, and of one its settings, its timeline, any two versions, and its state at a time."""

from typing import Any, Final

from aiohttp import web

from cadence_sync.core.blame import blame
from cadence_sync.core.canonical import changed_fields
from cadence_sync.core.labels import FIELD_TITLES, Axis, displayed_fields
from cadence_sync.db.engine import EngineConnection
from cadence_sync.db.queries import current, history
from cadence_sync.db.queries.as_of import read_labels
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.web import params
from cadence_sync.web.csv_export import Batches, send_csv
from cadence_sync.web.downloads import exporting
from cadence_sync.web.filters import cadence_path
from cadence_sync.web.templating import page

routes = web.RouteTableDef()

LIST_SIZE: Final = 100
TIMELINE_SIZE: Final = 50
_PATH: Final = "/cadences/{org}/{cadence}"


@routes.get("/cadences")
async def list_cadences(request: web.Request) -> web.Response:
    filter_, number = _filter(request), params.number(request, "page")
    async with params.reading(request, filter_.scope) as connection:
        rows = await current.list_page(connection, filter_, LIST_SIZE, (number - 1) * LIST_SIZE)
        total = await current.count_cadences(connection, filter_)
        choices = await current.load_choices(connection, filter_.scope)
    params.check_page(number, rows)
    return await page(
        request, "cadences.html", rows=rows, total=total, number=number, size=LIST_SIZE, choices=choices, asked=filter_
    )


@routes.get("/cadences.csv")
async def export_cadences(request: web.Request) -> web.StreamResponse:
    filter_ = _filter(request)
    async with exporting(request):
        async with params.reading(request, filter_.scope) as connection:
            parts = await current.load_keys(connection, filter_)

        async def batches() -> Batches:
            for keys in parts:
                async with params.reading(request, filter_.scope) as connection:
                    rows = await current.load_listed(connection, keys)
                yield rows

        return await send_csv(request, "cadences", current.LIST_COLUMNS, batches())


@routes.get(_PATH)
async def show_cadence(request: web.Request) -> web.Response:
    key, scope = _key(request), params.scope_of(request)
    async with params.reading(request, scope) as connection:
        cadence = await _load(connection, scope, key)
        newest = params.number(request, "newest", default=cadence.version, most=cadence.version)
        settings = blame(await history.load_observed_versions(connection, *key))
        timeline = await history.load_timeline(connection, *key, newest, TIMELINE_SIZE)
    return await page(
        request,
        "cadence.html",
        current=cadence,
        labels=read_labels(cadence),
        here_path=cadence_path(*key),
        settings=settings,
        line=timeline,
        size=TIMELINE_SIZE,
    )


@routes.get(f"{_PATH}/versions")
async def compare_versions(request: web.Request) -> web.Response:
    key, scope = _key(request), params.scope_of(request)
    async with params.reading(request, scope) as connection:
        cadence = await _load(connection, scope, key)
        new = params.number(request, "new", default=cadence.version, most=cadence.version)
        old = params.number(request, "old", default=max(new - 1, 1), most=cadence.version)
        states = await history.load_states(connection, *key, [old, new])
    before, after = states[old].config, states[new].config
    # A field that only one of them knows does not differ.
    differing = {change.field for change in changed_fields(before, after)}
    shown = {*displayed_fields(before), *displayed_fields(after)}
    if params.words(request, "all") is None:
        shown &= differing | (before.keys() ^ after.keys())
    return await page(
        request,
        "versions.html",
        current=cadence,
        here_path=cadence_path(*key),
        old=states[old],
        new=states[new],
        paths=[path for path in FIELD_TITLES if path in shown],
        differing=differing,
    )


@routes.get(f"{_PATH}/at")
async def show_cadence_at(request: web.Request) -> web.Response:
    key, scope = _key(request), params.scope_of(request)
    axis = Axis(params.one_of(request, "axis", tuple(Axis)) or Axis.VALID)
    wrong, then, state = None, None, None
    try:
        then = params.time_param(request, "on")
    except ArgumentError as error:
        wrong = error
    async with params.reading(request, scope) as connection:
        cadence = await _load(connection, scope, key)
        since = (await history.load_history_start(connection, scope))[key[0]]
        if then is not None:
            state = await history.load_state_at(connection, *key, then.at, axis)
    return await page(
        request,
        "cadence_at.html",
        status=400 if wrong else 200,
        current=cadence,
        here_path=cadence_path(*key),
        then=then,
        axis=axis,
        state=state,
        since=since,
        fields=displayed_fields(state.config) if state else [],
        wrong=wrong,
    )


def _filter(request: web.Request) -> current.CadenceFilter:
    state = params.one_of(request, "state", tuple(current.CadenceState))
    return current.CadenceFilter(
        scope=params.scope_of(request, params.words(request, "org")),
        text=params.words(request, "search"),
        module=params.words(request, "module"),
        status=params.words(request, "status"),
        person=params.words(request, "person"),
        state=current.CadenceState(state or current.CadenceState.LIVE),
        sort=params.one_of(request, "sort", tuple(current.SORTS)) or "name",
        descending=params.one_of(request, "order", ("asc", "desc")) == "desc",
    )


def _key(request: web.Request) -> tuple[str, str]:
    return request.match_info["org"], request.match_info["cadence"]


async def _load(connection: EngineConnection, scope: OrgScope, key: tuple[str, str]) -> Any:
    found = None if "\0" in "".join(key) else await current.load_cadence(connection, scope, *key)
    if found is None:
        raise NotFoundError("There is no such cadence.", hint="Look for it in the list of cadences, deleted ones too.")
    return found
