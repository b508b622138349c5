"""The generic webhook: JSON in a POST, signed as Standard Webhooks specify."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from standardwebhooks import Webhook

from cadence_sync import __version__
from cadence_sync.alerts.channels import not_sent
from cadence_sync.alerts.events import ENDS, AlertEvent, Event
from cadence_sync.alerts.render import event_url, render_message
from cadence_sync.config.alerts import webhook_key
from cadence_sync.core.fields import LABELS
from cadence_sync.core.labels import field_title
from cadence_sync.core.records import FieldChange
from cadence_sync.ports import Clock

SECONDS: Final = 15.0
_BEGINNINGS: Final = {end: begin for begin, end in ENDS.items()}


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    name: str
    url: str = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    web_url: str | None
    clock: Clock
    kind: str = "webhook"

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Posts a message; a redirect is a refusal, since the message is for the configured address only."""
        keys = [Webhook(webhook_key(secret)) for secret in self.secrets]
        body = msgspec.json.encode(render_payload(alerts, self.web_url, channel=self.name, message_id=message_id))
        now = self.clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"cadence-sync/{__version__}",
            "Idempotency-Key": message_id,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(key.sign(message_id, now, body.decode()) for key in keys),
        }
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
                session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                await answer.content.read(4096)  # its content is irrelevant
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except (ClientError, OSError, TimeoutError) as error:
            raise not_sent(f"The webhook does not answer ({type(error).__name__}).") from None
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's word for success
            retry_after = min(float(wait), 3600.0) if wait.isdigit() else None
            raise not_sent(f"The webhook answers {status}.", retry_after)


def render_payload(
    alerts: Sequence[AlertEvent], web_url: str | None, *, channel: str, message_id: str
) -> dict[str, object]:
    """Returns the JSON of a message; docs/how-to/alerts.md describes it."""
    text = render_message(alerts, web_url, limit=4000)
    return {
        "version": 1,
        "id": message_id,
        "channel": channel,
        "title": text.title,
        "text": text.body,
        "events": [_json_of(each, web_url) for each in alerts],
    }


def _json_of(alert: AlertEvent, web_url: str | None) -> dict[str, object]:
    found: dict[str, object] = {
        "event": _BEGINNINGS.get(alert.event, alert.event),
        "key": alert.key,
        "org_id": alert.org_id,
        "at": alert.at.isoformat(),
        "url": event_url(alert, web_url),
    }
    if alert.event in ENDS or alert.event in _BEGINNINGS:
        found["status"] = "resolved" if alert.event in _BEGINNINGS else "firing"
    match alert.event:
        case Event.CHANGE:
            by_id, by_name = alert.changed_by_id, alert.changed_by_name
            by = None if by_id is None and by_name is None else {"id": by_id, "name": by_name}
            found |= {"cadence_id": alert.cadence_id, "name": alert.name, "version": alert.version, "kind": alert.kind}
            found |= {"changed_by": by, "changes": [_json_of_change(change) for change in alert.changes]}
        case Event.HELD:
            found |= {"run_id": alert.run_id, "count": alert.count, "names": alert.names}
            found |= {"state": alert.hold_state, "decided_by": alert.decided_by}
        case Event.DECIDED:
            found |= {"run_id": alert.run_id, "count": alert.count}
            found |= {"decision": alert.decision, "decided_by": alert.decided_by}
        case Event.FAILING:
            error = {"code": alert.error_code, "message": alert.error, "hint": alert.hint}
            found |= {"run_id": alert.run_id, "error": error}
        case _:
            pass
    return found


def _json_of_change(change: FieldChange) -> dict[str, object]:
    found: dict[str, object] = {
        "field": change.field,
        "title": field_title(change.field),
        "old": change.old,
        "new": change.new,
    }
    if change.field in LABELS.values():
        found |= {"old_label": change.old_label, "new_label": change.new_label}
    return found
