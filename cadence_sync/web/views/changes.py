"""The feed of changes, for people and as Atom."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from aiohttp import web

from cadence_sync.core.labels import CHANGE_KINDS
from cadence_sync.db.queries.changes import FILTER_FIELDS, FeedCursor, FeedFilter, VersionEdit, load_authors, load_feed
from cadence_sync.db.queries.history import load_history_start
from cadence_sync.errors import ArgumentError
from cadence_sync.web import atom, params
from cadence_sync.web.access import ACCESS
from cadence_sync.web.filters import with_query
from cadence_sync.web.templating import page

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

routes = web.RouteTableDef()

SIZE: Final = 50
FEED_SIZE: Final = 100
_PATH: Final = "/changes"
_ATOM: Final = "/changes.atom"
_Text: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
_Cursor: TypeAlias = tuple[
    Annotated[datetime, msgspec.Meta(tz=True)], _Text, _Text, Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
]
"""A cursor of values that Postgres accepts: texts without zeros, and its integers."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of the feed; `following` is the cursor of the next one."""

    edits: Sequence[VersionEdit]
    following: str | None
    orgs: Sequence[str]


@routes.get(_PATH)
async def show_feed(request: web.Request) -> web.Response:
    since, until = _period(request)
    filter_ = _filter(request, since, until)
    async with params.reading(request, filter_.org) as connection:
        found = await _load(connection, filter_, SIZE)
        persons = await load_authors(connection, filter_.org)
    return await page(
        request,
        "changes.html",
        edits=found.edits,
        following=found.following and _address(request, _PATH, after=found.following),
        newest=_address(request, _PATH, after=None) if filter_.after else None,
        atom=_address(request, _ATOM, after=None),
        orgs=found.orgs,
        persons=persons,
        kinds=CHANGE_KINDS,
        fields=FILTER_FIELDS,
        since=since,
        until=until,
        recent=params.recent(request),
    )


@routes.get(_ATOM)
async def send_atom(request: web.Request) -> web.Response:
    filter_ = _filter(request, *_period(request))
    async with params.reading(request, filter_.org) as connection:
        found = await _load(connection, filter_, FEED_SIZE)
    scheme = "https" if request.app[ACCESS].is_secure(request) else "http"
    body = atom.render_feed(
        found.edits,
        base=(request.app[ACCESS].url or f"{scheme}://{request.host}").rstrip("/"),
        own=_address(request, _ATOM),
        page=_address(request, _PATH),
        following=found.following and _address(request, _ATOM, after=found.following),
    )
    return web.Response(body=body, content_type=atom.CONTENT_TYPE)


def _period(request: web.Request) -> tuple[params.TimeParam | None, params.TimeParam | None]:
    since = params.time_param(request, "since", params.Edge.BEGIN)
    until = params.time_param(request, "until", params.Edge.END)
    params.check_order(since, until)
    return since, until


def _filter(request: web.Request, since: params.TimeParam | None, until: params.TimeParam | None) -> FeedFilter:
    return FeedFilter(
        org=params.words(request, "org"),
        person=params.words(request, "person"),
        field=params.one_of(request, "field", FILTER_FIELDS),
        kind=params.one_of(request, "kind", CHANGE_KINDS),
        text=params.words(request, "search"),
        since=since.at if since else None,
        until=until.at if until else None,
        after=_decode(request.query.get("after")),
    )


async def _load(connection: "AsyncConnection", filter_: FeedFilter, size: int) -> FeedPage:
    orgs = list(await load_history_start(connection))
    if len(orgs) == 1:
        filter_ = replace(filter_, org=orgs[0])  # one organization's changes are found faster
    found = await load_feed(connection, filter_, size + 1)
    return FeedPage(found[:size], _encode(found[size - 1]) if len(found) > size else None, orgs)


def _encode(last: VersionEdit) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((last.changed_at, *last.key))).decode().rstrip("=")


def _decode(cursor: str | None) -> FeedCursor | None:
    if not cursor:
        return None
    try:
        parts = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        changed_at, *key = msgspec.json.decode(parts, type=_Cursor)
        return FeedCursor(changed_at.astimezone(UTC), *key)
    except (binascii.Error, ValueError, OverflowError, msgspec.DecodeError) as error:
        raise ArgumentError("That page of the feed does not exist.", hint="Start again from the newest.") from error


def _address(request: web.Request, path: str, **changes: str | None) -> str:
    return with_query(path, dict(request.query), **changes)
