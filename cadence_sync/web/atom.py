"""The feed of changes as Atom (RFC 4287)."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from cadence_sync.core.labels import INVISIBLE_EDIT, field_title, visible_changes
from cadence_sync.db.queries.changes import VersionEdit
from cadence_sync.web.filters import KINDS, cadence_path, plain, short

CONTENT_TYPE: Final = "application/atom+xml"
_NAMESPACE: Final = "http://www.w3.org/2005/Atom"
_IDS: Final = uuid.UUID("6f0b0c5e-6d0f-5b8e-9d3a-3c1f0c6f4a11")
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOBODY: Final = "unknown"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FeedLinks:
    """Where a feed is: its own address, that of the page that says the same, and of what comes after its entries."""

    base: str
    own: str
    page: str
    following: str | None


def feed(place: FeedLinks, title: str, edits: Sequence[VersionEdit]) -> bytes:
    """Return the document; the ids of feed and entries never change, wherever the web UI is reached."""
    ET.register_namespace("", _NAMESPACE)
    root = ET.Element(f"{{{_NAMESPACE}}}feed")
    _text(root, "id", _id("feed", place.own))
    _text(root, "title", title)
    _text(root, "updated", _time(max((edit.observed_at for edit in edits), default=_NEVER)))
    _link(root, "self", place.base + place.own, CONTENT_TYPE)
    _link(root, "alternate", place.base + place.page, "text/html")
    if place.following is not None:
        _link(root, "next", place.base + place.following, CONTENT_TYPE)
    for edit in edits:
        root.append(_entry(place, edit))
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _entry(place: FeedLinks, edit: VersionEdit) -> ET.Element:
    entry = ET.Element(f"{{{_NAMESPACE}}}entry")
    fields = visible_changes(edit.fields)
    what = INVISIBLE_EDIT if edit.kind == "updated" and not fields else KINDS.get(edit.kind, edit.kind)
    lines = [
        f"{field_title(field.field)}: {plain(field.field, field.old, field.old_label)}"
        f" → {plain(field.field, field.new, field.new_label)}"
        for field in fields
    ]
    _text(entry, "id", _id("edit", *edit.key, edit.observed_at.isoformat()))
    _text(entry, "title", f"{short(edit.name)}: {what}")
    _text(entry, "published", _time(edit.changed_at))
    _text(entry, "updated", _time(edit.observed_at))
    _text(ET.SubElement(entry, f"{{{_NAMESPACE}}}author"), "name", edit.by_name or edit.by_id or _NOBODY)
    _link(entry, "alternate", f"{place.base}{cadence_path(edit.org_id, edit.cadence_id)}#v{edit.version}", "text/html")
    for term in (edit.org_id, edit.kind):
        ET.SubElement(entry, f"{{{_NAMESPACE}}}category", term=_legal(term))
    content = _text(entry, "content", "\n".join(lines) or what)
    content.set("type", "text")
    return entry


def _id(*parts: object) -> str:
    """Return a name for good: the same parts always have the same, and no others do."""
    return uuid.uuid5(_IDS, msgspec.json.encode(parts).decode()).urn


def _text(parent: ET.Element, name: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
    element.text = _legal(text)
    return element


def _link(parent: ET.Element, relation: str, address: str, kind: str) -> None:
    ET.SubElement(parent, f"{{{_NAMESPACE}}}link", rel=relation, href=address, type=kind)


def _legal(text: str) -> str:
    """Return text without characters that XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
