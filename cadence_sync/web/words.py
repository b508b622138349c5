"""Fields, values and names as people read them, however they are spelled."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from cadence_sync.core.fields import LABELS, LEAVES, PERIOD, UNENROLL, UNIT, LeafType
from cadence_sync.web.shown import NOTHING, when

if TYPE_CHECKING:
    from cadence_sync.db.pages.edits import Moved

FIELDS: Final = {
    "name": "Name",
    "description": "Description",
    "type": "How records enter",
    "status": "Status",
    "active": "Active",
    "published": "Published",
    "module.id": "Module",
    "custom_view.id": "View",
    "created_time": "Created",
    "created_by.id": "Created by",
    "modified_time": "Last edited",
    "modified_by.id": "Last edited by",
    "summary.email_follow_up_count": "E-mails",
    "summary.task_follow_up_count": "Tasks",
    "summary.call_follow_up_count": "Calls",
    "summary.whatsapp_follow_up_count": "WhatsApp messages",
    "execution_details.type": "When it ends",
    "execution_details.end_date": "Ends on",
    "execution_details.automatic_unenroll": "Records leave by themselves",
    UNIT: "Executed every (number)",
    PERIOD: "Executed every (period)",
    f"{UNENROLL}.type": "Rule by which records leave",
    f"{UNENROLL}.end_date": "Records leave on",
    UNENROLL: "Rules by which records leave",
}
"""Every known field, in the words of the page."""

KINDS: Final = {
    "baseline": "was there when watching began",
    "created": "created",
    "updated": "changed",
    "deleted": "deleted",
    "restored": "came back",
}
UNSEEN: Final = "edited, but in no field that the list shows"
SIGNATURE: Final = frozenset({"modified_time", "modified_by.id"})
"""Fields that move with every edit: they say that there was one, not what it was."""
NAMELESS: Final = "(without a name)"
_IDS: Final = frozenset(LABELS.values())
_WORDS: Final = frozenset({"type", PERIOD, "execution_details.type", f"{UNENROLL}.type"})
"""Fields whose values are words of Zoho's, such as `complete_task`."""
_PLACES: Final = {path: place for place, path in enumerate(FIELDS)}
_LONG: Final = 160


def field_title(path: str) -> str:
    """Return what a field is called here; one that is not known yet has only its path."""
    return FIELDS.get(path, path)


def seen(text: str | None) -> str:
    """Return a name that can be seen and clicked, whatever it is made of."""
    if text is None or not any(character.isprintable() and not character.isspace() for character in text):
        return NAMELESS
    return text


def short(text: str | None, most: int = _LONG) -> str:
    """Return a name that fits a line."""
    return _cut(seen(text), most)


def _cut(whole: str, most: int | None) -> str:
    return whole if most is None or len(whole) <= most else f"{whole[:most]}…"


def plain(path: str, given: object, label: str | None = None) -> str:
    """Return a value as text; what an id stands for comes before the id."""
    match given:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if given else "no"
        case list() | dict():
            return json.dumps(given, ensure_ascii=False)
        case str() if path in _WORDS:
            return given.replace("_", " ")
        case _:
            return f"{label} ({given})" if label and path in _IDS else str(given)


@jinja2.pass_context
def leaf(
    context: jinja2.runtime.Context, given: object, path: str, label: str | None = None, most: int | None = None
) -> Markup:
    """Return a value for the page, cut to `most`: a time in the reader's zone, a name with its id beside it."""
    if isinstance(given, str) and given:
        if LEAVES.get(path) is LeafType.INSTANT:
            return when(context, datetime.fromisoformat(given))
        if path in _IDS and label:
            return Markup('<span title="{}"><bdi>{}</bdi></span>').format(given, label)
        return Markup("<bdi>{}</bdi>").format(_cut(plain(path, given), most))
    return escape(_cut(plain(path, given), most))


def told(fields: "Sequence[Moved]") -> "list[Moved]":
    """Return the fields that say what an edit was, in the order of the settings."""
    shown = [field for field in fields if field.field not in SIGNATURE]
    return sorted(shown, key=lambda field: _PLACES.get(field.field, len(_PLACES)))


def cadence_path(org_id: str, cadence_id: str) -> str:
    """Return the address of a cadence; whatever an id is made of, it stays one part of it."""
    return f"/cadences/{quote(org_id, safe='')}/{quote(cadence_id, safe='')}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "cadence_path": lambda key: cadence_path(*key),
    "field_title": field_title,
    "kind_words": lambda kind: KINDS.get(kind, kind),
    "leaf": leaf,
    "seen": seen,
    "short": short,
    "told": told,
    "twice": lambda word: (word, word),
    "with_kind": lambda kind: (kind, KINDS[kind]),
    "with_title": lambda path: (path, field_title(path)),
}
