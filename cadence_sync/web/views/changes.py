"""The feed of changes, for people and as Atom (RFC 4287)."""

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias
from xml.etree import ElementTree as ET

import msgspec
from aiohttp import web

from cadence_sync.core.labels import CHANGE_KINDS, INVISIBLE_EDIT, KIND_BADGES, field_title, visible_changes
from cadence_sync.db.engine import EngineConnection
from cadence_sync.db.queries.changes import FILTER_FIELDS, FeedCursor, FeedFilter, VersionEdit, load_authors, load_feed
from cadence_sync.db.queries.history import load_history_start
from cadence_sync.errors import ArgumentError
from cadence_sync.web import params
from cadence_sync.web.access import ACCESS
from cadence_sync.web.filters import cadence_path, plain, short, with_query
from cadence_sync.web.templating import page

routes = web.RouteTableDef()

SIZE: Final = 50
FEED_SIZE: Final = 100
_PATH: Final = "/changes"
_ATOM: Final = "/changes.atom"
_ATOM_TYPE: Final = "application/atom+xml"
_IDS: Final = uuid.UUID("6f0b0c5e-6d0f-5b8e-9d3a-3c1f0c6f4a11")
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Text: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
_Cursor: TypeAlias = tuple[
    Annotated[datetime, msgspec.Meta(tz=True)], _Text, _Text, Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
]
"""A cursor of values that Postgres accepts: texts without zeros, and its integers."""


@routes.get(_PATH)
async def show_feed(request: web.Request) -> web.Response:
    since, until = params.period(request, "since", "until")
    filter_ = _filter(request, since, until)
    async with params.reading(request, filter_.scope) as connection:
        edits, following, orgs = await _load(connection, filter_, SIZE)
        persons = await load_authors(connection, filter_.scope)
    return await page(
        request,
        "changes.html",
        edits=edits,
        following=following and _address(request, _PATH, after=following),
        newest=_address(request, _PATH, after=None) if filter_.after else None,
        atom=_address(request, _ATOM, after=None),
        orgs=orgs,
        persons=persons,
        kinds=CHANGE_KINDS,
        fields=FILTER_FIELDS,
        since=since,
        until=until,
        recent=params.recent(request),
    )


@routes.get(_ATOM)
async def send_atom(request: web.Request) -> web.Response:
    filter_ = _filter(request, *params.period(request, "since", "until"))
    async with params.reading(request, filter_.scope) as connection:
        edits, following, _ = await _load(connection, filter_, FEED_SIZE)
    return web.Response(body=_render_atom(request, edits, following), content_type=_ATOM_TYPE)


def _filter(request: web.Request, since: params.TimeParam | None, until: params.TimeParam | None) -> FeedFilter:
    return FeedFilter(
        scope=params.scope_of(request, params.words(request, "org")),
        person=params.words(request, "person"),
        field=params.one_of(request, "field", FILTER_FIELDS),
        kind=params.one_of(request, "kind", CHANGE_KINDS),
        text=params.words(request, "search"),
        since=since.at if since else None,
        until=until.at if until else None,
        after=_decode(request.query.get("after")),
    )


async def _load(
    connection: EngineConnection, filter_: FeedFilter, size: int
) -> tuple[list[VersionEdit], str | None, list[str]]:
    """Returns a page of the feed, the cursor of the next one, and all organizations."""
    orgs = list(await load_history_start(connection, filter_.scope.whole))
    if len(orgs) == 1:  # one organization's changes are found faster
        filter_ = replace(filter_, scope=replace(filter_.scope, org=orgs[0]))
    found = await load_feed(connection, filter_, size + 1)
    return found[:size], _encode(found[size - 1]) if len(found) > size else None, orgs


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


def _render_atom(request: web.Request, edits: Sequence[VersionEdit], following: str | None) -> bytes:
    """Renders the feed; the ids of feed and entries stay the same under any address of the web UI."""
    scheme = "https" if request.app[ACCESS].is_secure(request) else "http"
    base = (request.app[ACCESS].url or f"{scheme}://{request.host}").rstrip("/")
    own = _address(request, _ATOM)
    root = ET.Element("feed", xmlns="http://www.w3.org/2005/Atom")
    _text(root, "id", _id("feed", own))
    _text(root, "title", "Changes of cadences")
    _text(root, "updated", _time(max((edit.observed_at for edit in edits), default=_NEVER)))
    _link(root, "self", base + own, _ATOM_TYPE)
    _link(root, "alternate", base + _address(request, _PATH), "text/html")
    if following is not None:
        _link(root, "next", base + _address(request, _ATOM, after=following), _ATOM_TYPE)
    for edit in edits:
        _add_entry(root, base, edit)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_entry(root: ET.Element, base: str, edit: VersionEdit) -> None:
    entry = ET.SubElement(root, "entry")
    changes = visible_changes(edit.fields)
    what = INVISIBLE_EDIT if edit.kind == "updated" and not changes else KIND_BADGES.get(edit.kind, edit.kind)
    lines = [
        f"{field_title(path)}: {plain(path, old, old_label)} → {plain(path, new, new_label)}"
        for path, old, new, old_label, new_label in changes
    ]
    _text(entry, "id", _id("edit", *edit.key, edit.observed_at.isoformat()))
    _text(entry, "title", f"{short(edit.name)}: {what}")
    _text(entry, "published", _time(edit.changed_at))
    _text(entry, "updated", _time(edit.observed_at))
    _text(ET.SubElement(entry, "author"), "name", edit.by_name or edit.by_id or "unknown")
    _link(entry, "alternate", f"{base}{cadence_path(edit.org_id, edit.cadence_id)}#v{edit.version}", "text/html")
    for term in (edit.org_id, edit.kind):
        ET.SubElement(entry, "category", term=_legal(term))
    _text(entry, "content", "\n".join(lines) or what).set("type", "text")


def _id(*parts: object) -> str:
    return uuid.uuid5(_IDS, msgspec.json.encode(parts).decode()).urn


def _text(parent: ET.Element, name: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = _legal(text)
    return element


def _link(parent: ET.Element, relation: str, address: str, kind: str) -> None:
    ET.SubElement(parent, "link", rel=relation, href=address, type=kind)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
