"""What is written in a message: text for people, JSON for programs. Pure.

Names and values come from Zoho, where anybody may type anything: in text they are laid flat, so that no service
takes them for a mention, a link or markup.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import quote

from cadence_sync.core.alerts import Event
from cadence_sync.core.fields import LABELS, LEAVES, LeafType
from cadence_sync.core.wording import NAMELESS, UNSEEN, field_title, plural, seen, told

LONGEST: Final = 200
"""Characters of a name or a value that a text shows."""
MOST_FIELDS: Final = 20
EMPTY: Final = "(empty)"
_IDS: Final = frozenset(LABELS.values())
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATED: Final = "\N{FIRST STRONG ISOLATE}{}\N{POP DIRECTIONAL ISOLATE}"
_JOINER: Final = "\N{WORD JOINER}"
_ACTIVE = re.compile(r"(?<=[@<!#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\])(?=\()", re.IGNORECASE)
"""Places at which services begin a mention, a tag, a channel or a link."""
_KINDS: Final = {
    "created": "was created",
    "updated": "was changed",
    "deleted": "was deleted",
    "restored": "came back after it was deleted",
}


class Standing(StrEnum):
    """What became of held deletions until they are told of."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    REPLACED = "replaced"
    """A newer case holds other deletions."""
    SETTLED = "settled"
    """They reappeared, or were retired by a run that was allowed to."""


class Change(NamedTuple):
    """One field of a version; labels are the names of what ids stand for, where Zoho sent them."""

    field: str
    old: object
    new: object
    old_label: str | None = None
    new_label: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One event, with what is known of it when it is sent."""

    event: Event
    key: str
    org_id: str
    at: datetime
    cadence_id: str | None = None
    version: int | None = None
    kind: str | None = None
    name: str | None = None
    changes: tuple[Change, ...] = ()
    changed_by_id: str | None = None
    changed_by_name: str | None = None
    run_id: int | None = None
    count: int = 0
    """Cadences that are held, or were decided about."""
    names: tuple[str, ...] = ()
    """Some of those that are held."""
    standing: Standing = Standing.OPEN
    is_over: bool = False
    """Whether syncs work again, or the copy is read again, since."""
    decision: str | None = None
    decided_by: str | None = None
    error_code: str | None = None
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message as people read it; what others have typed is in the body only."""

    title: str
    body: str


def message(told: Sequence[Told], web_url: str | None, limit: int) -> Message:
    """Return what is written of some events, in about `limit` characters; those that find no room are counted."""
    orgs = list(dict.fromkeys(each.org_id for each in told))
    where = flat(orgs[0]) if len(orgs) == 1 else f"{len(orgs)} organisations"
    what = _title(told[0]) if len(told) == 1 else f"{len(told)} events"
    title = f"{what}: {where}" if where else what
    parts: list[str] = []
    room = limit
    for number, each in enumerate(told):
        part = _part(each, web_url, limit)
        room -= len(part) + 2
        if parts and room < 0:
            parts.append(f"… and {len(told) - number} more" + (f": {web_url}" if web_url else "."))
            break
        parts.append(part)
    return Message(title, "\n\n".join(parts))


def _part(told: Told, web_url: str | None, limit: int) -> str:
    """Return what is written of one event: where that is too long, details go rather than who, when and the link."""
    most = MOST_FIELDS
    while len(part := "\n".join([*_lines(told, most), *_link(told, web_url)])) > limit and most > 0:
        most -= 1
    return part


def payload(
    told: Sequence[Told], web_url: str | None, *, channel: str, message_id: str, limit: int = 4000
) -> dict[str, object]:
    """Return what the generic webhook gets; docs/how-to/alerts.md describes it."""
    text = message(told, web_url, limit)
    events = [_json_of(each, web_url) for each in told]
    return {
        "version": 1,
        "id": message_id,
        "channel": channel,
        "title": text.title,
        "text": text.body,
        "events": events,
    }


def cadence_url(web_url: str, org_id: str, cadence_id: str) -> str:
    """Return the address of a cadence on the page."""
    return f"{web_url}/cadences/{quote(org_id, safe='')}/{quote(cadence_id, safe='')}"


def flat(value: object) -> str:
    """Return a value on one line, in which nothing is active and nothing moves the cursor or what stands around it."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)
    inert = _ACTIVE.sub(_JOINER, printable)
    # Else two Hebrew values would swap places around the arrow between them.
    turns = any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in inert)
    return _ISOLATED.format(inert) if turns else inert


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


def _lines(told: Told, most: int) -> list[str]:
    org, at = flat(told.org_id), _time(told.at)
    match told.event:
        case Event.CHANGE:
            who = flat(told.changed_by_name or told.changed_by_id) if _is_known(told) else "last editor unknown"
            head = f"{_name(told)} {_KINDS.get(told.kind or '', 'was changed')}"
            return [head, *_fields(told, most), f"{who} · {at} · {org}"]
        case Event.HELD:
            return [*_held(told, most), f"{at} · {org}"]
        case Event.DECIDED:
            then = _THEN[told.decision == "approved", told.count == 1]
            what = f"The deletion of {plural(told.count, 'cadence')} was {flat(told.decision)}: {then}."
            return [what, f"{flat(told.decided_by)} · {at} · {org}"]
        case Event.FAILING:
            why = [flat(text) for text in (told.error, told.hint) if text]
            return [_sentence(told), *why, f"since {at} · {org}"]
        case Event.TEST:
            return [_sentence(told), *_fields(told, most), at]
        case _:
            return [_sentence(told), f"last read {at} · {org}"]


_SENTENCES: Final = {
    Event.FAILING: "Syncs of this organisation fail.",
    Event.RECOVERED: "Syncs of this organisation work again.",
    Event.STALE: "No sync has read this organisation for too long.",
    Event.FRESH: "This organisation is read again.",
    Event.TEST: "Alerts of cadence-sync arrive here. What changes will look like this:",
}


_CAME_OR_WENT: Final = {
    "created": "A cadence was created",
    "deleted": "A cadence was deleted",
    "restored": "A cadence came back",
}
_OVER: Final = {
    Event.FAILING: ("Syncs failed", "Syncs of this organisation failed; they work again."),
    Event.STALE: ("The copy was out of date", "No sync had read this organisation for too long; it is read again."),
}
"""Titles and sentences where a message comes after its episode."""
_THEN: Final = {
    (True, True): "it is retired",
    (True, False): "they are retired",
    (False, True): "it stays live",
    (False, False): "they stay live",
}


def _title(told: Told) -> str:
    if told.event is Event.HELD and told.standing is not Standing.OPEN:
        return "Deletions were held"
    if told.event is Event.CHANGE and told.kind in _CAME_OR_WENT:
        return _CAME_OR_WENT[told.kind]
    return _OVER[told.event][0] if told.is_over and told.event in _OVER else _TITLES[told.event]


def _sentence(told: Told) -> str:
    return _OVER[told.event][1] if told.is_over and told.event in _OVER else _SENTENCES[told.event]


def _held(told: Told, most: int) -> list[str]:
    names = told.names[:most]
    more = told.count - len(names) if told.names else 0
    tense = ("is", "are") if told.standing is Standing.OPEN else ("was", "were")
    are = plural(told.count, *(f"{noun} {verb}" for noun, verb in zip(("cadence", "cadences"), tense, strict=True)))
    return [
        f"{are} missing at Zoho: too many to retire without asking.",
        *(f"- {flat(seen(name))}" for name in names),
        *([f"- … and {more} more"] if more > 0 else []),
        _standing(told),
    ]


def _standing(told: Told) -> str:
    match told.standing:
        case Standing.OPEN:
            return f"Decide: `cadence-sync approve {told.run_id}` or `cadence-sync reject {told.run_id}`"
        case Standing.APPROVED | Standing.REJECTED:
            return f"Decided since: {told.standing} by {flat(told.decided_by)}."
        case Standing.REPLACED:
            return "Nothing to decide here: a newer case has taken its place."
        case Standing.SETTLED:
            return "Nothing to decide any more: they are there again, or retired."


def _name(told: Told) -> str:
    name = seen(told.name)
    return flat(name) if name != NAMELESS else f"{NAMELESS} {flat(told.cadence_id)}"


def _fields(about: Told, most: int) -> list[str]:
    """Return a line a field; those that every edit moves only where there is nothing else to say."""
    shown = told(about.changes)
    if about.kind == "updated" and not shown:
        return [UNSEEN]
    lines, more = [_moved(change) for change in shown[:most]], len(shown) - most
    return [*lines, f"… and {plural(more, 'more field')}"] if more > 0 else lines


def _moved(change: Change) -> str:
    path, old, new, *labels = change
    if labels[0] == labels[1]:  # two things of one name
        labels = [label and f"{label} ({given})" for label, given in zip(labels, (old, new), strict=True)]
    shown = [_value(path, given, label) for given, label in zip((old, new), labels, strict=True)]
    return f"{flat(field_title(path))}: {' → '.join(shown)}"


def _value(path: str, given: object, label: str | None) -> str:
    """Return a value as the page words it: a name instead of an id, a time of day in UTC."""
    if given is None or given == "":
        return EMPTY
    if isinstance(given, bool):
        return "yes" if given else "no"
    if path in _IDS and label:
        return flat(label)
    if LEAVES.get(path) is LeafType.INSTANT and isinstance(given, str):
        with suppress(ValueError, OverflowError):
            return _time(datetime.fromisoformat(given).astimezone(UTC))
    return flat(given)


def _link(told: Told, web_url: str | None) -> list[str]:
    if web_url is None:
        return []
    if told.event is Event.TEST:
        return [web_url]
    if told.cadence_id is not None:
        return [cadence_url(web_url, told.org_id, told.cadence_id)]
    if told.run_id is not None:  # where it is decided about, or told why it failed
        return [f"{web_url}/runs/{told.run_id}"]
    return [f"{web_url}/organisation?org={quote(told.org_id, safe='')}"]


def _is_known(told: Told) -> bool:
    return told.changed_by_name is not None or told.changed_by_id is not None


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _json_of(told: Told, web_url: str | None) -> dict[str, object]:
    found: dict[str, object] = {
        "event": str(told.event),
        "key": told.key,
        "org_id": told.org_id,
        "at": told.at.isoformat(),
        "url": next(iter(_link(told, web_url)), None),
    }
    match told.event:
        case Event.CHANGE:
            by = {"id": told.changed_by_id, "name": told.changed_by_name} if _is_known(told) else None
            changes = [_json_of_change(change) for change in told.changes]
            cadence = {"cadence_id": told.cadence_id, "name": told.name, "version": told.version, "kind": told.kind}
            found |= cadence | {"changed_by": by, "changes": changes}
        case Event.HELD:
            found |= {"run_id": told.run_id, "count": told.count, "names": list(told.names)}
            found |= {"standing": str(told.standing), "decided_by": told.decided_by}
        case Event.DECIDED:
            found |= {"run_id": told.run_id, "count": told.count}
            found |= {"decision": told.decision, "decided_by": told.decided_by}
        case Event.FAILING:
            error = {"code": told.error_code, "message": told.error, "hint": told.hint}
            found |= {"run_id": told.run_id, "error": error}
        case _:
            return found
    return found


def _json_of_change(change: Change) -> dict[str, object]:
    found = {"field": change.field, "title": field_title(change.field), "old": change.old, "new": change.new}
    labels = {"old_label": change.old_label, "new_label": change.new_label}
    return found | labels if change.field in _IDS else found
