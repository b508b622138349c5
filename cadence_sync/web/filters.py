"""How values look in the web UI."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup, escape

from cadence_sync.core.fields import FIELDS, LABELS, FieldType
from cadence_sync.core.labels import display_name, field_title, humanize, plural, visible_changes

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


NOTHING: Final = "\u2013"
_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))


@jinja2.pass_context
def when(context: jinja2.runtime.Context, at: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Markup:
    """Return a `time` element in the reader's zone."""
    if at is None:
        return escape(NOTHING)
    zone: ZoneInfo = context["zone"]
    here = at.astimezone(zone)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{here:%A %Y-%m-%d %H:%M:%S} {zone.key}", here.strftime(form)
    )


@jinja2.pass_context
def ago(context: jinja2.runtime.Context, at: datetime | None) -> Markup:
    """Return a `time` element that says how long ago it was."""
    if at is None:
        return Markup("never")
    now: datetime = context["now"]
    zone: ZoneInfo = context["zone"]
    seconds = (now - at).total_seconds()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}", f"{span(seconds)} ago"
    )


def span(seconds: float) -> str:
    """Return a length of time in one unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{max(0, int(seconds))} s"


def value(given: Any) -> str:
    """Return one value of a cadence's field as a person reads it."""
    match given:
        case None | "":
            return NOTHING
        case True:
            return "yes"
        case False:
            return "no"
        case _:
            return str(given)


@jinja2.pass_context
def link_with(context: jinja2.runtime.Context, path: str, **changes: object) -> str:
    """Return a path with the filters of this page, some of them changed; None leaves one out."""
    query: Mapping[str, str] = context["query"]
    values = {**query, **changes}
    kept = {name: str(each) for name, each in values.items() if each not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


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
    "when": when,
    "ago": ago,
    "span": span,
    "plural": plural,
    "value": value,
    "link_with": link_with,
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
