"""Fields, values and names as people read them, however they are spelled."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from cadence_sync.core.fields import FIELDS, LABELS, FieldType
from cadence_sync.core.labels import display_name, field_title, humanize, visible_changes
from cadence_sync.web.filters import NOTHING, when

KINDS: Final = {
    "baseline": "was there when watching began",
    "created": "created",
    "updated": "changed",
    "deleted": "deleted",
    "restored": "came back",
}
_IDS: Final = frozenset(LABELS.values())
_LONG: Final = 160


def short(text: str | None, most: int = _LONG) -> str:
    """Return a name that fits a line."""
    return _cut(display_name(text), most)


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
        case str():
            return f"{label} ({given})" if label and path in _IDS else humanize(path, given)
        case _:
            return str(given)


@jinja2.pass_context
def leaf(
    context: jinja2.runtime.Context, given: object, path: str, label: str | None = None, most: int | None = None
) -> Markup:
    """Return a value for the web UI, cut to `most`: a time in the reader's zone, a name with its id beside it."""
    if isinstance(given, str) and given:
        if FIELDS.get(path) is FieldType.INSTANT:
            return when(context, datetime.fromisoformat(given))
        if path in _IDS and label:
            return Markup('<span title="{}"><bdi>{}</bdi></span>').format(given, label)
        return Markup("<bdi>{}</bdi>").format(_cut(plain(path, given), most))
    return escape(_cut(plain(path, given), most))


def cadence_path(org_id: str, cadence_id: str) -> str:
    """Return the address of a cadence; whatever an id is made of, it stays one part of it."""
    return f"/cadences/{quote(org_id, safe='')}/{quote(cadence_id, safe='')}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "cadence_path": lambda key: cadence_path(*key),
    "field_title": field_title,
    "kind_words": lambda kind: KINDS.get(kind, kind),
    "leaf": leaf,
    "seen": display_name,
    "short": short,
    "visible_changes": visible_changes,
    "twice": lambda word: (word, word),
    "with_kind": lambda kind: (kind, KINDS[kind]),
    "with_title": lambda path: (path, field_title(path)),
}
