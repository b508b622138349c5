"""Renders events as the text of a message. Pure.

Names and values come from Zoho, where anybody may type anything: they are sanitized, so that no service takes them for
a mention or a link, or hides them.
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

from cadence_sync.alerts.events import AlertEvent, Event, HoldState
from cadence_sync.core import labels
from cadence_sync.core.fields import FIELDS, LABELS, FieldType
from cadence_sync.core.records import FieldChange

LONGEST: Final = 200
"""Characters of a name or a value in a text."""
MOST_FIELDS: Final = 20
EMPTY: Final = "(empty)"

_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_JOINS: Final = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}
"""Invisible characters that are harmless: emoji, Persian and Hindi need them."""
_ACTIVE = re.compile(r"(?<=[@<!#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\])(?=\()|(?<=([*_~|`]))(?=\1)", re.IGNORECASE)
"""Places at which services begin a mention, a tag, a channel or a link, or hide or strike through what follows."""

_KINDS: Final = {
    "created": ("A cadence was created", "was created"),
    "deleted": ("A cadence was deleted", "was deleted"),
    "restored": ("A cadence came back", "came back after it was deleted"),
}
_CHANGED: Final = ("A cadence changed", "was changed")
_TITLES: Final = {Event.HELD: "Deletions await a decision", Event.DECIDED: "Held deletions were decided about"}
_STATES: Final = {
    Event.FAILING: ("Syncs fail", "Syncs of this organization fail."),
    Event.RECOVERED: ("Syncs work again", "Syncs of this organization work again."),
    Event.STALE: ("The copy is out of date", "No sync has read this organization for too long."),
    Event.FRESH: ("The copy is up to date again", "This organization is read again."),
    Event.TEST: ("A test of alerts", "Alerts of cadence-sync arrive here. What changes will look like this:"),
}
_OVER: Final = {
    Event.FAILING: ("Syncs failed", "Syncs of this organization failed; they work again."),
    Event.STALE: ("The copy was out of date", "No sync had read this organization for too long; it is read again."),
}
"""Titles and sentences of messages that are sent after the end of their episode."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message for people; only the body holds text from Zoho."""

    title: str
    body: str


def render_message(alerts: Sequence[AlertEvent], web_url: str | None, limit: int) -> Message:
    """Renders events in about `limit` characters; the rest is counted."""
    parts: list[str] = []
    room = limit
    for number, each in enumerate(alerts):
        part = _part(each, web_url, limit)
        room -= len(part) + 2
        if parts and room < 0:
            parts.append(f"… and {len(alerts) - number} more" + (f": {_rest(alerts, web_url)}" if web_url else "."))
            break
        parts.append(part)
    return Message(_title(alerts), "\n\n".join(parts))


def event_url(alert: AlertEvent, web_url: str | None) -> str | None:
    if web_url is None or alert.event is Event.TEST:
        return web_url
    org_id = quote(alert.org_id, safe="")
    if alert.cadence_id is not None:
        return f"{web_url}/cadences/{org_id}/{quote(alert.cadence_id, safe='')}"
    return f"{web_url}/organization?org={org_id}" if alert.run_id is None else f"{web_url}/runs/{alert.run_id}"


def sanitize(value: object) -> str:
    """Returns a value on one line in which nothing is active and nothing moves the cursor or the text around it."""
    if value is None:
        return EMPTY
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    printable = "".join(_printable(char) for char in shown)
    inert = _ACTIVE.sub("\N{WORD JOINER}", printable)
    # Else two Hebrew values would swap places around the arrow between them.
    turns = any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in inert)
    return f"\N{FIRST STRONG ISOLATE}{inert}\N{POP DIRECTIONAL ISOLATE}" if turns else inert


def _printable(char: str) -> str:
    if char.isprintable() or char in _JOINS:
        return char
    return " " if unicodedata.category(char) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def _title(alerts: Sequence[AlertEvent]) -> str:
    events, orgs = {each.event for each in alerts}, {each.org_id for each in alerts}
    nouns = "changes" if events == {Event.CHANGE} else "events"
    what = _event_title(alerts[0]) if len(alerts) == 1 else f"{len(alerts)} {nouns}"
    where = sanitize(alerts[0].org_id) if len(orgs) == 1 else f"{len(orgs)} organizations"
    return f"{what}: {where}" if where else what


def _event_title(alert: AlertEvent) -> str:
    if alert.event is Event.CHANGE:
        return _KINDS.get(alert.kind or "", _CHANGED)[0]
    if alert.event is Event.HELD and alert.hold_state is not HoldState.OPEN:
        return "Deletions were held"
    return _TITLES.get(alert.event) or _state(alert)[0]


def _state(alert: AlertEvent) -> tuple[str, str]:
    return _OVER[alert.event] if alert.is_over and alert.event in _OVER else _STATES[alert.event]


def _rest(alerts: Sequence[AlertEvent], web_url: str) -> str:
    runs = {each.run_id for each in alerts}
    return f"{web_url}/runs/{alerts[0].run_id}" if len(runs) == 1 and None not in runs else f"{web_url}/changes"


def _part(alert: AlertEvent, web_url: str | None, limit: int) -> str:
    """Returns the lines of one event: where they are too long, details go rather than author, time and link."""
    most, url = MOST_FIELDS, event_url(alert, web_url)
    link = [] if url is None else [url]
    while len(part := "\n".join([*_lines(alert, most, has_link=bool(link)), *link])) > limit and most > 0:
        most -= 1
    return part


def _lines(alert: AlertEvent, most: int, *, has_link: bool) -> list[str]:
    org, at = sanitize(alert.org_id), _format_time(alert.at)
    match alert.event:
        case Event.CHANGE:
            author = alert.changed_by_name or alert.changed_by_id
            who = "somebody unknown" if author is None else _person(alert, author)
            head = f"{_name(alert)} {_KINDS.get(alert.kind or '', _CHANGED)[1]}"
            return [head, *_fields(alert, most), f"{who} · {at} · {org}"]
        case Event.HELD:
            return [*_held(alert, most), _hold_state(alert, has_link=has_link), f"{at} · {org}"]
        case Event.DECIDED:
            stay = "it stays live" if alert.count == 1 else "they stay live"
            then = "the next sync deletes what is still missing" if alert.decision == "approved" else stay
            what = f"The deletion of {labels.plural(alert.count, 'cadence')} was {sanitize(alert.decision)}: {then}."
            return [what, f"{_person(alert, alert.decided_by)} · {at} · {org}"]
        case Event.FAILING:
            why = [sanitize(text) for text in (alert.error, alert.hint) if text]
            return [_state(alert)[1], *why, f"since {at} · {org}"]
        case Event.TEST:
            return [_state(alert)[1], *_fields(alert, most), at]
        case _:
            return [_state(alert)[1], f"last read {at} · {org}"]


def _person(alert: AlertEvent, name: str | None) -> str:
    return "someone" if alert.hides_names else sanitize(name)


def _name(alert: AlertEvent) -> str:
    name = labels.display_name(alert.name)
    return sanitize(name) if name != labels.UNNAMED else f"{labels.UNNAMED} {sanitize(alert.cadence_id)}"


def _fields(alert: AlertEvent, most: int) -> list[str]:
    shown = labels.visible_changes(alert.changes)
    if alert.kind == "updated" and not shown:
        return [labels.INVISIBLE_EDIT]
    lines, more = [_format_change(change) for change in shown[:most]], len(shown) - most
    return [*lines, f"… and {labels.plural(more, 'more field')}"] if more > 0 else lines


def _format_change(change: FieldChange) -> str:
    old_label, new_label = change.old_label, change.new_label
    if old_label and old_label == new_label:  # two things of one name
        old_label, new_label = f"{old_label} ({change.old})", f"{new_label} ({change.new})"
    old = _format_value(change.field, change.old, old_label)
    new = _format_value(change.field, change.new, new_label)
    return f"{sanitize(labels.field_title(change.field))}: {old} → {new}"


def _format_value(path: str, value: object, label: str | None) -> str:
    if value == "":
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if label and path in LABELS.values():
        return sanitize(label)
    if FIELDS.get(path) is FieldType.INSTANT and isinstance(value, str):
        with suppress(ValueError, OverflowError):
            return _format_time(datetime.fromisoformat(value).astimezone(UTC))
    return sanitize(labels.humanize(path, value) if isinstance(value, str) else value)


def _format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _held(alert: AlertEvent, most: int) -> list[str]:
    names = alert.names[:most]
    more = alert.count - len(names) if alert.names else 0
    is_open = alert.hold_state is HoldState.OPEN
    one, many = ("cadence is", "cadences are") if is_open else ("cadence was", "cadences were")
    return [
        f"{labels.plural(alert.count, one, many)} missing at Zoho: too many to delete without asking.",
        *(f"- {sanitize(labels.display_name(name))}" for name in names),
        *([f"- … and {more} more"] if more > 0 else []),
    ]


def _hold_state(alert: AlertEvent, *, has_link: bool) -> str:
    commands = f"`cadence-sync approve {alert.run_id}` or `cadence-sync reject {alert.run_id}`"
    return {
        HoldState.OPEN: "Approve or reject that in the web UI." if has_link else f"Decide: {commands}",
        HoldState.APPROVED: f"Decided since: approved by {_person(alert, alert.decided_by)}.",
        HoldState.REJECTED: f"Decided since: rejected by {_person(alert, alert.decided_by)}.",
        HoldState.REPLACED: "Nothing to decide here: a newer case has taken its place.",
        HoldState.SETTLED: "Nothing to decide any more: they are there again, or deleted.",
    }[alert.hold_state]
