"""What people read in a message. Pure.

Names and values come from Zoho, where anybody may type anything: in text they are laid flat, so that no service
takes them for a mention or a link of its own, or hides them.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from cadence_sync.alerts.events import AlertEvent, HoldState
from cadence_sync.alerts.routing import Event
from cadence_sync.core.fields import FIELDS, LABELS, FieldType
from cadence_sync.core.labels import (
    INVISIBLE_EDIT,
    UNNAMED,
    display_name,
    field_title,
    humanize,
    plural,
    visible_changes,
)
from cadence_sync.core.records import FieldChange

LONGEST: Final = 200
"""Characters of a name or a value that a text shows."""
EMPTY: Final = "(empty)"
IDS: Final = frozenset(LABELS.values())
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATED: Final = "\N{FIRST STRONG ISOLATE}{}\N{POP DIRECTIONAL ISOLATE}"
_JOINER: Final = "\N{WORD JOINER}"
_JOINS: Final = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}
"""What makes one picture of several, and words of Persian and Hindi: it moves nothing."""
_UNSEEN: Final = "\N{REPLACEMENT CHARACTER}"
_ACTIVE = re.compile(r"(?<=[@<!#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\])(?=\()|(?<=([*_~|`]))(?=\1)", re.IGNORECASE)
"""Places at which services begin a mention, a tag, a channel or a link, or hide or strike through what follows."""


def sanitize(value: object) -> str:
    """Return a value on one line, in which nothing is active and nothing moves the cursor or what stands around it."""
    if value is None:
        return EMPTY
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    printable = "".join(_plain(char) for char in shown)
    inert = _ACTIVE.sub(_JOINER, printable)
    # Else two Hebrew values would swap places around the arrow between them.
    turns = any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in inert)
    return _ISOLATED.format(inert) if turns else inert


def _plain(char: str) -> str:
    """Return a character, or what stands for it: every blank is one, and nothing else that is unseen is let through."""
    if char.isprintable() or char in _JOINS:
        return char
    return " " if unicodedata.category(char) == "Zs" else _UNSEEN


def format_change(change: FieldChange) -> str:
    """Return `title: old → new` on one line."""
    path, old, new, *labels = change
    if labels[0] == labels[1]:  # two things of one name
        labels = [label and f"{label} ({given})" for label, given in zip(labels, (old, new), strict=True)]
    shown = [_value(path, given, label) for given, label in zip((old, new), labels, strict=True)]
    return f"{sanitize(field_title(path))}: {' → '.join(shown)}"


def _value(path: str, given: object, label: str | None) -> str:
    """Return a value as the web UI words it: a name instead of an id, a time of day in UTC."""
    if given == "":  # as good as nothing
        return EMPTY
    if isinstance(given, bool):
        return "yes" if given else "no"
    if path in IDS and label:
        return sanitize(label)
    if FIELDS.get(path) is FieldType.INSTANT and isinstance(given, str):
        with suppress(ValueError, OverflowError):
            return format_time(datetime.fromisoformat(given).astimezone(UTC))
    return sanitize(humanize(path, given) if isinstance(given, str) else given)


def format_time(at: datetime) -> str:
    """Return a time as messages show it: they do not know the reader's zone."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


MOST_FIELDS: Final = 20
_KINDS: Final = {
    "created": "was created",
    "updated": "was changed",
    "deleted": "was deleted",
    "restored": "came back after it was deleted",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message as people read it; what others have typed is in the body only."""

    title: str
    body: str


def render_message(alerts: Sequence[AlertEvent], web_url: str | None, limit: int) -> Message:
    """Return what is written of some events, in about `limit` characters; those that find no room are counted."""
    orgs = list(dict.fromkeys(each.org_id for each in alerts))
    where = sanitize(orgs[0]) if len(orgs) == 1 else f"{len(orgs)} organizations"
    kinds = {each.event for each in alerts}
    what = (
        _title(alerts[0]) if len(alerts) == 1 else f"{len(alerts)} {'changes' if kinds == {Event.CHANGE} else 'events'}"
    )
    title = f"{what}: {where}" if where else what
    parts: list[str] = []
    room = limit
    for number, each in enumerate(alerts):
        part = _part(each, web_url, limit)
        room -= len(part) + 2
        if parts and room < 0:
            parts.append(f"… and {len(alerts) - number} more" + (f": {_rest(alerts, web_url)}" if web_url else "."))
            break
        parts.append(part)
    return Message(title, "\n\n".join(parts))


def _rest(alerts: Sequence[AlertEvent], web_url: str) -> str:
    """Return where those are that found no room: in their run, if it is one, else among all changes."""
    runs = {each.run_id for each in alerts}
    return f"{web_url}/runs/{alerts[0].run_id}" if len(runs) == 1 and None not in runs else f"{web_url}/changes"


def _part(alert: AlertEvent, web_url: str | None, limit: int) -> str:
    """Return what is written of one event: where that is too long, details go rather than who, when and the link."""
    most, url = MOST_FIELDS, event_url(alert, web_url)
    link = [] if url is None else [url]
    while len(part := "\n".join([*_lines(alert, most, has_link=bool(link)), *link])) > limit and most > 0:
        most -= 1
    return part


def cadence_url(web_url: str, org_id: str, cadence_id: str) -> str:
    """Return the address of a cadence in the web UI."""
    return f"{web_url}/cadences/{quote(org_id, safe='')}/{quote(cadence_id, safe='')}"


_TITLES: Final = {
    Event.CHANGE: "A cadence changed",
    Event.HELD: "Deletions await a decision",
    Event.DECIDED: "Held deletions were decided about",
    Event.FAILING: "Syncs fail",
    Event.RECOVERED: "Syncs work again",
    Event.STALE: "The copy is out of date",
    Event.FRESH: "The copy is up to date again",
    Event.TEST: "A test of alerts",
}


def _lines(alert: AlertEvent, most: int, *, has_link: bool) -> list[str]:
    org, at = sanitize(alert.org_id), format_time(alert.at)
    match alert.event:
        case Event.CHANGE:
            who = sanitize(alert.changed_by_name or alert.changed_by_id) if alert.has_author else "somebody unknown"
            head = f"{_name(alert)} {_KINDS.get(alert.kind or '', 'was changed')}"
            return [head, *_fields(alert, most), f"{who} · {at} · {org}"]
        case Event.HELD:
            return [*_held(alert, most), _hold_state(alert, has_link=has_link), f"{at} · {org}"]
        case Event.DECIDED:
            stay = "it stays live" if alert.count == 1 else "they stay live"
            then = "the next sync deletes what is still missing" if alert.decision == "approved" else stay
            what = f"The deletion of {plural(alert.count, 'cadence')} was {sanitize(alert.decision)}: {then}."
            return [what, f"{sanitize(alert.decided_by)} · {at} · {org}"]
        case Event.FAILING:
            why = [sanitize(text) for text in (alert.error, alert.hint) if text]
            return [_sentence(alert), *why, f"since {at} · {org}"]
        case Event.TEST:
            return [_sentence(alert), *_fields(alert, most), at]
        case _:
            return [_sentence(alert), f"last read {at} · {org}"]


_SENTENCES: Final = {
    Event.FAILING: "Syncs of this organization fail.",
    Event.RECOVERED: "Syncs of this organization work again.",
    Event.STALE: "No sync has read this organization for too long.",
    Event.FRESH: "This organization is read again.",
    Event.TEST: "Alerts of cadence-sync arrive here. What changes will look like this:",
}


_CAME_OR_WENT: Final = {
    "created": "A cadence was created",
    "deleted": "A cadence was deleted",
    "restored": "A cadence came back",
}
_OVER: Final = {
    Event.FAILING: ("Syncs failed", "Syncs of this organization failed; they work again."),
    Event.STALE: ("The copy was out of date", "No sync had read this organization for too long; it is read again."),
}
"""Titles and sentences where a message comes after its episode."""


def _title(alert: AlertEvent) -> str:
    if alert.event is Event.HELD and alert.hold_state is not HoldState.OPEN:
        return "Deletions were held"
    if alert.event is Event.CHANGE and alert.kind in _CAME_OR_WENT:
        return _CAME_OR_WENT[alert.kind]
    return _OVER[alert.event][0] if alert.is_over and alert.event in _OVER else _TITLES[alert.event]


def _sentence(alert: AlertEvent) -> str:
    return _OVER[alert.event][1] if alert.is_over and alert.event in _OVER else _SENTENCES[alert.event]


def _held(alert: AlertEvent, most: int) -> list[str]:
    names = alert.names[:most]
    more = alert.count - len(names) if alert.names else 0
    tense = ("is", "are") if alert.hold_state is HoldState.OPEN else ("was", "were")
    are = plural(alert.count, *(f"{noun} {verb}" for noun, verb in zip(("cadence", "cadences"), tense, strict=True)))
    return [
        f"{are} missing at Zoho: too many to delete without asking.",
        *(f"- {sanitize(display_name(name))}" for name in names),
        *([f"- … and {more} more"] if more > 0 else []),
    ]


def _hold_state(alert: AlertEvent, *, has_link: bool) -> str:
    commands = f"`cadence-sync approve {alert.run_id}` or `cadence-sync reject {alert.run_id}`"
    return {
        HoldState.OPEN: "Approve or reject that in the web UI." if has_link else f"Decide: {commands}",
        HoldState.APPROVED: f"Decided since: approved by {sanitize(alert.decided_by)}.",
        HoldState.REJECTED: f"Decided since: rejected by {sanitize(alert.decided_by)}.",
        HoldState.REPLACED: "Nothing to decide here: a newer case has taken its place.",
        HoldState.SETTLED: "Nothing to decide any more: they are there again, or deleted.",
    }[alert.hold_state]


def _name(alert: AlertEvent) -> str:
    name = display_name(alert.name)
    return sanitize(name) if name != UNNAMED else f"{UNNAMED} {sanitize(alert.cadence_id)}"


def _fields(about: AlertEvent, most: int) -> list[str]:
    """Return a line a field; those that every edit moves only where there is nothing else to say."""
    shown = visible_changes(about.changes)
    if about.kind == "updated" and not shown:
        return [INVISIBLE_EDIT]
    lines, more = [format_change(change) for change in shown[:most]], len(shown) - most
    return [*lines, f"… and {plural(more, 'more field')}"] if more > 0 else lines


def event_url(alert: AlertEvent, web_url: str | None) -> str | None:
    """Return where something can be done about it in the web UI."""
    if web_url is None or alert.event is Event.TEST:
        return web_url
    if alert.cadence_id is not None:
        return cadence_url(web_url, alert.org_id, alert.cadence_id)
    if alert.run_id is not None:  # where it is decided about, or told why it failed
        return f"{web_url}/runs/{alert.run_id}"
    return f"{web_url}/organization?org={quote(alert.org_id, safe='')}"
