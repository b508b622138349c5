"""A lab whose syncs are announced, and a dispatcher for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cadence_sync.alerts.dispatcher import Dispatcher, run_dispatcher
from cadence_sync.alerts.routing import build_routing
from cadence_sync.config.settings import Settings
from cadence_sync.db.alert_delivery import AlertDelivery
from cadence_sync.db.store import PostgresStore
from cadence_sync.wiring import SystemClock, open_channels
from tests.alerts.receiver import Receiver
from tests.support.lab import Lab
from tests.support.records import record

SECRET = "a-secret-of-the-webhook-4717"
PAGE = "https://crm.example.com"


def webhook(receiver: Receiver, **more: object) -> dict[str, object]:
    return {"webhook": f"{receiver.url}/hook", "secret": SECRET, **more}


class Post:
    """What a test needs of alerts: settings, syncs that are announced, and what sends them."""

    def __init__(self, lab: Lab, channels: dict[str, Any], rules: list[dict[str, Any]] | None = None) -> None:
        self.lab = lab
        self.settings = Settings.model_validate(
            {"web_url": PAGE, "alerts": {"channels": channels, "rules": rules or []}}
        )
        self.alerting = build_routing(self.settings)
        self.results: list[tuple[str, str]] = []
        lab.store = PostgresStore(lab.engine, 60, alerting=self.alerting)

    def dispatcher(self) -> Dispatcher:
        clock = SystemClock()
        channels = open_channels(self.settings, clock)
        delivery = AlertDelivery(self.lab.engine)
        return Dispatcher(delivery, channels, self.alerting, clock, lambda *result: self.results.append(result))

    async def send(self) -> None:
        """Send all that is due."""
        await self.dispatcher().drain()

    async def rows(self) -> list[dict[str, Any]]:
        return await self.lab.rows("SELECT * FROM cadence_sync.alert_outbox ORDER BY event_key, channel")

    async def make_due(self) -> None:
        """Let the time pass until what failed is tried again."""
        await self.lab.execute("UPDATE cadence_sync.alert_outbox SET next_attempt_at = now(), leased_until = NULL")


async def changed(lab: Lab, name: str = "Farewell") -> None:
    """Let a cadence be there, and get another name."""
    await lab.sync(record("1", name="Welcome"))
    await lab.sync(record("1", name=name))


@asynccontextmanager
async def sending(dispatcher: Dispatcher, grace: float = 5) -> AsyncIterator[None]:
    async with run_dispatcher(dispatcher, grace):
        yield
