"""How values look in the web UI."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup, escape

from cadence_sync.core.labels import plural

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


FILTERS: Final[dict[str, Callable[..., object]]] = {
    "when": when,
    "ago": ago,
    "span": span,
    "plural": plural,
    "value": value,
    "link_with": link_with,
}
