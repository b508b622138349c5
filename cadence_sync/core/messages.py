"""What people read in a message. Pure.

Names and values come from Zoho, where anybody may type anything: in text they are laid flat, so that no service
takes them for a mention or a link of its own, or hides them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from cadence_sync.core.alerts import Event
from cadence_sync.core.flat import flat, moved_in_words, time_in_words
from cadence_sync.core.told import Standing, Told
from cadence_sync.core.wording import NAMELESS, UNSEEN, plural, seen, told

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


def message(told: Sequence[Told], web_url: str | None, limit: int) -> Message:
    """Return what is written of some events, in about `limit` characters; those that find no room are counted."""
    orgs = list(dict.fromkeys(each.org_id for each in told))
    where = flat(orgs[0]) if len(orgs) == 1 else f"{len(orgs)} organizations"
    kinds = {each.event for each in told}
    what = _title(told[0]) if len(told) == 1 else f"{len(told)} {'changes' if kinds == {Event.CHANGE} else 'events'}"
    title = f"{what}: {where}" if where else what
    parts: list[str] = []
    room = limit
    for number, each in enumerate(told):
        part = _part(each, web_url, limit)
        room -= len(part) + 2
        if parts and room < 0:
            parts.append(f"… and {len(told) - number} more" + (f": {_rest(told, web_url)}" if web_url else "."))
            break
        parts.append(part)
    return Message(title, "\n\n".join(parts))


def _rest(told: Sequence[Told], web_url: str) -> str:
    """Return where those are that found no room: in their run, if it is one, else among all changes."""
    runs = {each.run_id for each in told}
    return f"{web_url}/runs/{told[0].run_id}" if len(runs) == 1 and None not in runs else f"{web_url}/changes"


def _part(told: Told, web_url: str | None, limit: int) -> str:
    """Return what is written of one event: where that is too long, details go rather than who, when and the link."""
    most, url = MOST_FIELDS, url_of(told, web_url)
    link = [] if url is None else [url]
    while len(part := "\n".join([*_lines(told, most, has_link=bool(link)), *link])) > limit and most > 0:
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


def _lines(told: Told, most: int, *, has_link: bool) -> list[str]:
    org, at = flat(told.org_id), time_in_words(told.at)
    match told.event:
        case Event.CHANGE:
            who = flat(told.changed_by_name or told.changed_by_id) if told.has_author else "somebody unknown"
            head = f"{_name(told)} {_KINDS.get(told.kind or '', 'was changed')}"
            return [head, *_fields(told, most), f"{who} · {at} · {org}"]
        case Event.HELD:
            return [*_held(told, most), _standing(told, has_link=has_link), f"{at} · {org}"]
        case Event.DECIDED:
            stay = "it stays live" if told.count == 1 else "they stay live"
            then = "the next sync retires what is still missing" if told.decision == "approved" else stay
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
    ]


def _standing(told: Told, *, has_link: bool) -> str:
    commands = f"`cadence-sync approve {told.run_id}` or `cadence-sync reject {told.run_id}`"
    return {
        Standing.OPEN: "Approve or reject that in the web UI." if has_link else f"Decide: {commands}",
        Standing.APPROVED: f"Decided since: approved by {flat(told.decided_by)}.",
        Standing.REJECTED: f"Decided since: rejected by {flat(told.decided_by)}.",
        Standing.REPLACED: "Nothing to decide here: a newer case has taken its place.",
        Standing.SETTLED: "Nothing to decide any more: they are there again, or retired.",
    }[told.standing]


def _name(told: Told) -> str:
    name = seen(told.name)
    return flat(name) if name != NAMELESS else f"{NAMELESS} {flat(told.cadence_id)}"


def _fields(about: Told, most: int) -> list[str]:
    """Return a line a field; those that every edit moves only where there is nothing else to say."""
    shown = told(about.changes)
    if about.kind == "updated" and not shown:
        return [UNSEEN]
    lines, more = [moved_in_words(change) for change in shown[:most]], len(shown) - most
    return [*lines, f"… and {plural(more, 'more field')}"] if more > 0 else lines


def url_of(told: Told, web_url: str | None) -> str | None:
    """Return where something can be done about it in the web UI."""
    if web_url is None or told.event is Event.TEST:
        return web_url
    if told.cadence_id is not None:
        return cadence_url(web_url, told.org_id, told.cadence_id)
    if told.run_id is not None:  # where it is decided about, or told why it failed
        return f"{web_url}/runs/{told.run_id}"
    return f"{web_url}/organization?org={quote(told.org_id, safe='')}"
