"""The feed of changes as Atom (RFC 4287)."""

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from cadence_sync.core.labels import INVISIBLE_EDIT, KIND_BADGES, field_title, visible_changes
from cadence_sync.db.queries.changes import VersionEdit
from cadence_sync.web.filters import cadence_path, plain, short

CONTENT_TYPE: Final = "application/atom+xml"
_IDS: Final = uuid.UUID("6f0b0c5e-6d0f-5b8e-9d3a-3c1f0c6f4a11")
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def render_feed(edits: Sequence[VersionEdit], *, base: str, own: str, page: str, following: str | None) -> bytes:
    """Renders the feed; the ids of feed and entries stay the same under any address of the web UI.

    `base` is that address; `own`, `page` and `following` are the paths of the feed, of its page, and of older entries.
    """
    root = ET.Element("feed", xmlns="http://www.w3.org/2005/Atom")
    _text(root, "id", _id("feed", own))
    _text(root, "title", "Changes of cadences")
    _text(root, "updated", _time(max((edit.observed_at for edit in edits), default=_NEVER)))
    _link(root, "self", base + own, CONTENT_TYPE)
    _link(root, "alternate", base + page, "text/html")
    if following is not None:
        _link(root, "next", base + following, CONTENT_TYPE)
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
