"""The feed of changes, for people and as Atom."""

import base64
import binascii
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from cadence_sync.db.queries import cadences, changes, reading
from cadence_sync.db.queries.changes import VersionEdit
from cadence_sync.db.queries.organization import check_known
from cadence_sync.errors import ArgumentError
from cadence_sync.web import atom, params
from cadence_sync.web.app_keys import ACCESS, ENGINE
from cadence_sync.web.params import Edge, TimeParam, check_order, recent, time_param
from cadence_sync.web.templating import Nav, page

routes = web.RouteTableDef()
nav = Nav("/changes", "Changes")

SIZE: Final = 50
FEED_SIZE: Final = 100
_ATOM: Final = "/changes.atom"


@routes.get("/changes")
async def feed(request: web.Request) -> web.Response:
    """Show a page of the feed."""
    since, until = _period(request)
    asked = _asked(request, since, until)
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, asked.org)
        orgs = await cadences.orgs(connection)
        found, following = _page(await changes.changes(connection, _of_only(asked, orgs), SIZE + 1), SIZE)
        persons = await changes.persons(connection, asked.org)
    return await page(
        request,
        "changes.html",
        edits=found,
        following=following and _address(request, nav.path, after=following),
        newest=_address(request, nav.path, after=None) if asked.after else None,
        atom=_address(request, _ATOM, after=None),
        orgs=orgs,
        persons=persons,
        kinds=changes.KINDS,
        fields=changes.FILTER_FIELDS,
        since=since,
        until=until,
        recent=recent(request),
    )


@routes.get(_ATOM)
async def changes_atom(request: web.Request) -> web.Response:
    """Send the newest changes as Atom."""
    asked = _asked(request, *_period(request))
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, asked.org)
        orgs = await cadences.orgs(connection)
        found, following = _page(await changes.changes(connection, _of_only(asked, orgs), FEED_SIZE + 1), FEED_SIZE)
    scheme = "https" if request.app[ACCESS].is_secure(request) else "http"
    place = atom.FeedLinks(
        (request.app[ACCESS].url or f"{scheme}://{request.host}").rstrip("/"),
        _address(request, _ATOM),
        _address(request, nav.path),
        following and _address(request, _ATOM, after=following),
    )
    return web.Response(body=atom.feed(place, "Changes of cadences", found), content_type=atom.CONTENT_TYPE)


def _period(request: web.Request) -> tuple[TimeParam | None, TimeParam | None]:
    since, until = time_param(request, "since", Edge.BEGIN), time_param(request, "until", Edge.END)
    check_order(since, until)
    return since, until


def _asked(request: web.Request, since: TimeParam | None, until: TimeParam | None) -> changes.FeedFilter:
    return changes.FeedFilter(
        org=params.words(request, "org") or "",
        person=params.words(request, "person") or "",
        field=params.one_of(request, "field", changes.FILTER_FIELDS) or "",
        kind=params.one_of(request, "kind", changes.KINDS) or "",
        text=params.words(request, "search") or "",
        since=since.at if since else None,
        until=until.at if until else None,
        after=_read(request.query.get("after")),
    )


def _of_only(asked: changes.FeedFilter, orgs: list[str]) -> changes.FeedFilter:
    """Name the organization where there is but one: it is found faster."""
    return replace(asked, org=orgs[0]) if len(orgs) == 1 and not asked.org else asked


def _page(found: list[VersionEdit], size: int) -> tuple[list[VersionEdit], str | None]:
    """Return what is shown, and the mark that the next page begins behind."""
    shown = found[:size]
    return shown, _mark(shown[-1]) if len(found) > size else None


def _mark(last: VersionEdit) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((last.changed_at, *last.key))).decode().rstrip("=")


def _read(mark: str | None) -> changes.FeedCursor | None:
    if not mark:
        return None
    try:
        parts = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
        moment, org_id, cadence_id, version = msgspec.json.decode(parts, type=_Mark)
        return changes.FeedCursor(moment.astimezone(UTC), org_id, cadence_id, version)
    except (binascii.Error, ValueError, OverflowError, msgspec.DecodeError) as error:
        raise ArgumentError("That page of the feed does not exist.", hint="Start again from the newest.") from error


_Text: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
_Mark: TypeAlias = tuple[
    Annotated[datetime, msgspec.Meta(tz=True)], _Text, _Text, Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
]
"""What Postgres can be asked for: texts without zeros, and its integers."""


def _address(request: web.Request, path: str, **changes: str | None) -> str:
    """Return an address with the filters of this one."""
    kept = {name: each for name, each in {**request.query, **changes}.items() if each}
    return f"{path}?{urlencode(kept)}" if kept else path
