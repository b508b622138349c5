"""The generic webhook: JSON in a POST, signed as Standard Webhooks have it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from standardwebhooks import Webhook

from cadence_sync import __version__
from cadence_sync.alerts.channel import not_sent
from cadence_sync.alerts.events import AlertEvent
from cadence_sync.alerts.webhook_payload import render_payload
from cadence_sync.config.alerts import webhook_key
from cadence_sync.ports import Clock

SECONDS: Final = 15.0
ANSWER: Final = 4096
"""Bytes of an answer that are read: what it says does not matter."""
LONGEST_WAIT: Final = 3600.0
"""Seconds that a receiver may ask to be left alone."""


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """Implements `Channel`."""

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    web_url: str | None
    clock: Clock
    kind: str = "webhook"

    async def send(self, message_id: str, alerts: Sequence[AlertEvent]) -> None:
        """Post a message; a redirect is no answer, since the message is for the address that was given."""
        body = msgspec.json.encode(render_payload(alerts, self.web_url, channel=self.name, message_id=message_id))
        now = self.clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"cadence-sync/{__version__}",
            "Idempotency-Key": message_id,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(webhook_key(self.secret)).sign(message_id, now, body.decode()),
        }
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
                session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                await answer.content.read(ANSWER)
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except (ClientError, OSError, TimeoutError) as error:
            raise not_sent(f"The webhook does not answer ({type(error).__name__}).") from None
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's word for success
            raise not_sent(f"The webhook answers {status}.", min(float(wait), LONGEST_WAIT) if wait.isdigit() else None)
