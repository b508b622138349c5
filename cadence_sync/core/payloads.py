"""What programs get: JSON, with everything as it is stored. Pure."""

from collections.abc import Sequence
from typing import Final

from cadence_sync.core.alerts import ENDS, Event
from cadence_sync.core.flat import IDS
from cadence_sync.core.messages import message, url_of
from cadence_sync.core.told import Change, Told
from cadence_sync.core.wording import field_title

_BEGUN: Final = {end: begin for begin, end in ENDS.items()}
"""The event of an episode, by the one that ends it."""


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


def _json_of(told: Told, web_url: str | None) -> dict[str, object]:
    found: dict[str, object] = {
        "event": str(_BEGUN.get(told.event, told.event)),
        "key": told.key,
        "org_id": told.org_id,
        "at": told.at.isoformat(),
        "url": url_of(told, web_url),
    }
    if told.event in ENDS or told.event in _BEGUN:
        found["status"] = "resolved" if told.event in _BEGUN else "firing"
    match told.event:
        case Event.CHANGE:
            by = {"id": told.changed_by_id, "name": told.changed_by_name} if told.has_author else None
            changes = [_json_of_change(change) for change in told.changes]
            cadence = {"cadence_id": told.cadence_id, "name": told.name, "version": told.version, "kind": told.kind}
            found |= cadence | {"changed_by": by, "changes": changes}
        case Event.HELD:
            found |= {"run_id": told.run_id, "count": told.count, "names": list(told.names)}
            found |= {"state": str(told.standing), "decided_by": told.decided_by}
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
    return found | labels if change.field in IDS else found
