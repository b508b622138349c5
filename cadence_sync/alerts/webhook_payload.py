"""What programs get: JSON, with everything as it is stored. Pure."""

from collections.abc import Sequence
from typing import Final

from cadence_sync.alerts.events import AlertEvent, LabeledChange
from cadence_sync.alerts.render import event_url, render_message
from cadence_sync.alerts.routing import ENDS, Event
from cadence_sync.alerts.sanitize import IDS
from cadence_sync.core.labels import field_title

_BEGUN: Final = {end: begin for begin, end in ENDS.items()}
"""The event of an episode, by the one that ends it."""


def render_payload(
    alerts: Sequence[AlertEvent], web_url: str | None, *, channel: str, message_id: str, limit: int = 4000
) -> dict[str, object]:
    """Return what the generic webhook gets; docs/how-to/alerts.md describes it."""
    text = render_message(alerts, web_url, limit)
    events = [_json_of(each, web_url) for each in alerts]
    return {
        "version": 1,
        "id": message_id,
        "channel": channel,
        "title": text.title,
        "text": text.body,
        "events": events,
    }


def _json_of(alert: AlertEvent, web_url: str | None) -> dict[str, object]:
    found: dict[str, object] = {
        "event": str(_BEGUN.get(alert.event, alert.event)),
        "key": alert.key,
        "org_id": alert.org_id,
        "at": alert.at.isoformat(),
        "url": event_url(alert, web_url),
    }
    if alert.event in ENDS or alert.event in _BEGUN:
        found["status"] = "resolved" if alert.event in _BEGUN else "firing"
    match alert.event:
        case Event.CHANGE:
            by = {"id": alert.changed_by_id, "name": alert.changed_by_name} if alert.has_author else None
            changes = [_json_of_change(change) for change in alert.changes]
            cadence = {"cadence_id": alert.cadence_id, "name": alert.name, "version": alert.version, "kind": alert.kind}
            found |= cadence | {"changed_by": by, "changes": changes}
        case Event.HELD:
            found |= {"run_id": alert.run_id, "count": alert.count, "names": list(alert.names)}
            found |= {"state": str(alert.hold_state), "decided_by": alert.decided_by}
        case Event.DECIDED:
            found |= {"run_id": alert.run_id, "count": alert.count}
            found |= {"decision": alert.decision, "decided_by": alert.decided_by}
        case Event.FAILING:
            error = {"code": alert.error_code, "message": alert.error, "hint": alert.hint}
            found |= {"run_id": alert.run_id, "error": error}
        case _:
            return found
    return found


def _json_of_change(change: LabeledChange) -> dict[str, object]:
    found = {"field": change.field, "title": field_title(change.field), "old": change.old, "new": change.new}
    labels = {"old_label": change.old_label, "new_label": change.new_label}
    return found | labels if change.field in IDS else found
