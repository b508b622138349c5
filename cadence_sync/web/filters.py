"""How values look in the web UI: Jinja filters, and the addresses of pages."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup, escape

from cadence_sync.core.fields import FIELDS, LABELS, FieldType
from cadence_sync.core.labels import KIND_BADGES, display_name, field_title, humanize, plural, span, visible_changes

NOTHING: Final = "\u2013"
_TIME: Final = "%Y-%m-%d %H:%M:%S"


@jinja2.pass_context
def when(context: jinja2.runtime.Context, at: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Markup:
    if at is None:
        return escape(NOTHING)
    zone: ZoneInfo = context["zone"]
    return _time_element(at, zone, f"%A {_TIME}", at.astimezone(zone).strftime(form))


@jinja2.pass_context
def ago(context: jinja2.runtime.Context, at: datetime | None) -> Markup:
    if at is None:
        return Markup("never")
    return _time_element(at, context["zone"], _TIME, f"{span((context['now'] - at).total_seconds())} ago")


def _time_element(at: datetime, zone: ZoneInfo, title: str, text: str) -> Markup:
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at.astimezone(zone).strftime(title)} {zone.key}", text
    )


def with_query(path: str, query: Mapping[str, str], **changes: object) -> str:
    """Returns an address with these filters, some of them changed; None and "" leave one out."""
    kept = {name: str(each) for name, each in {**query, **changes}.items() if each not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


@jinja2.pass_context
def link_with(context: jinja2.runtime.Context, path: str, **changes: object) -> str:
    return with_query(path, context["query"], **changes)


def short(text: str | None, most: int = 160) -> str:
    return _cut(display_name(text), most)


def _cut(whole: str, most: int | None) -> str:
    return whole if most is None or len(whole) <= most else f"{whole[:most]}…"


def plain(path: str, given: object, label: str | None = None) -> str:
    match given:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if given else "no"
        case list() | dict():
            return json.dumps(given, ensure_ascii=False)
        case str():
            return f"{label} ({given})" if label and path in LABELS.values() else humanize(path, given)
        case _:
            return str(given)


@jinja2.pass_context
def leaf(
    context: jinja2.runtime.Context, given: object, path: str, label: str | None = None, most: int | None = None
) -> Markup:
    """Renders a value, cut to `most` characters: a time in the reader's zone, a label with its id as its title."""
    if isinstance(given, str) and given:
        if FIELDS.get(path) is FieldType.INSTANT:
            return when(context, datetime.fromisoformat(given))
        if label and path in LABELS.values():
            return Markup('<span title="{}"><bdi>{}</bdi></span>').format(given, label)
        return Markup("<bdi>{}</bdi>").format(_cut(plain(path, given), most))
    return escape(_cut(plain(path, given), most))


def cadence_path(org_id: str, cadence_id: str) -> str:
    return f"/cadences/{quote(org_id, safe='')}/{quote(cadence_id, safe='')}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "when": when,
    "ago": ago,
    "span": span,
    "plural": plural,
    "link_with": link_with,
    "cadence_path": lambda key: cadence_path(*key),
    "field_title": field_title,
    "kind_words": lambda kind: KIND_BADGES.get(kind, kind),
    "leaf": leaf,
    "seen": display_name,
    "short": short,
    "visible_changes": visible_changes,
    "twice": lambda word: (word, word),
    "with_kind": lambda kind: (kind, KIND_BADGES[kind]),
    "with_title": lambda path: (path, field_title(path)),
}
