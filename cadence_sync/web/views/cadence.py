"""One cadence: its settings, its time line, any two versions side by side, and how it was at a time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from cadence_sync.core.canonical import changed_fields
from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.records import Config
from cadence_sync.db.queries import as_of, reading
from cadence_sync.db.queries import cadence as ask
from cadence_sync.db.queries.history import history_start
from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.web import params
from cadence_sync.web.app_keys import ENGINE
from cadence_sync.web.filters import cadence_path
from cadence_sync.web.params import Edge, time_param
from cadence_sync.web.templating import page

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

routes = web.RouteTableDef()

SIZE: Final = 50
_PATH: Final = "/cadences/{org}/{cadence}"
_ORDER: Final = {path: place for place, path in enumerate((*FIELDS, UNENROLL))}


@dataclass(frozen=True, slots=True)
class Pair:
    """A field in two versions; what only one of them knows is no difference."""

    path: str
    old: Any
    new: Any
    old_known: bool
    new_known: bool
    differs: bool


@routes.get(_PATH)
async def cadence(request: web.Request) -> web.Response:
    """Show what it is, and its newest versions, or those from `newest` downwards."""
    key = _key(request)
    async with reading(request.app[ENGINE]) as connection:
        current = await _current(connection, key)
        newest = params.number(request, "newest", default=current.version, most=current.version)
        settings = await ask.settings(connection, *key)
        line = await ask.time_line(connection, *key, newest, SIZE)
    return await page(
        request, "cadence.html", current=current, here_path=cadence_path(*key), settings=settings, line=line, size=SIZE
    )


@routes.get(f"{_PATH}/versions")
async def versions(request: web.Request) -> web.Response:
    """Show two versions side by side."""
    key = _key(request)
    async with reading(request.app[ENGINE]) as connection:
        current = await _current(connection, key)
        new = params.number(request, "new", default=current.version, most=current.version)
        old = params.number(request, "old", default=max(new - 1, 1), most=current.version)
        found = await ask.states(connection, *key, old, new)
    rows = _side_by_side(found[old], found[new], only_changed=params.words(request, "all") is None)
    return await page(
        request,
        "versions.html",
        current=current,
        here_path=cadence_path(*key),
        old=found[old],
        new=found[new],
        rows=rows,
        everything="all" in request.query,
    )


@routes.get(f"{_PATH}/at")
async def at_time(request: web.Request) -> web.Response:
    """Show how it was at a time."""
    key = _key(request)
    axis = as_of.Axis(params.one_of(request, "axis", tuple(as_of.Axis)) or as_of.Axis.VALID)
    wrong, then = None, None
    try:
        then = time_param(request, "on", Edge.END)
    except ArgumentError as error:
        wrong = error
    state = None
    async with reading(request.app[ENGINE]) as connection:
        current = await _current(connection, key)
        since = (await history_start(connection))[key[0]]
        if then is not None:
            state = await ask.at_time(connection, *key, then.at, axis)
    return await page(
        request,
        "cadence_at.html",
        status=400 if wrong else 200,
        current=current,
        here_path=cadence_path(*key),
        then=then,
        axis=axis,
        state=state,
        since=since,
        fields=_fields(state.config) if state else [],
        wrong=wrong,
    )


def _key(request: web.Request) -> tuple[str, str]:
    org, cadence_id = request.match_info["org"], request.match_info["cadence"]
    if "\0" in org + cadence_id:
        raise _unknown()
    return org, cadence_id


async def _current(connection: "AsyncConnection", key: tuple[str, str]) -> ask.CadenceDetail:
    found = await ask.current(connection, *key)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> NotFoundError:
    return NotFoundError("There is no such cadence.", hint="Look for it in the list of cadences, deleted ones too.")


def _side_by_side(old: ask.VersionState, new: ask.VersionState, *, only_changed: bool) -> list[Pair]:
    differing = {path for path, _, _ in changed_fields(old.config, new.config)}
    paths = sorted({*_fields(old.config), *_fields(new.config)}, key=_ORDER.__getitem__)
    pairs = [
        Pair(
            path,
            old.config.get(path),
            new.config.get(path),
            old_known=path in old.config,
            new_known=path in new.config,
            differs=path in differing,
        )
        for path in paths
    ]
    return [pair for pair in pairs if not only_changed or pair.differs or pair.old_known != pair.new_known]


def _fields(config: Config) -> list[str]:
    """Return the known paths in Zoho's order, of `unenroll_properties` only those of the form that it has."""
    hidden = {f"{UNENROLL}.type", f"{UNENROLL}.end_date"} if isinstance(config.get(UNENROLL), list) else {UNENROLL}
    return [path for path in _ORDER if path in config and path not in hidden and path != "id"]
