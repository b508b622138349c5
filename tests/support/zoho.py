"""A real HTTP client against the simulator, and the mock for answers that no server sends on its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from re import Pattern
from typing import Any
from unittest.mock import Mock

from aiohttp import ClientResponse
from aioresponses import aioresponses

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.ports import AccessToken, CadenceSource, Clock, TokenCache, TokenSlot
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials


class MockedResponse(ClientResponse):
    """aioresponses 0.7.9 does not give aiohttp 3.14 the argument `stream_writer` (its issue 289)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)


def answer(mock: aioresponses, method: str, url: str | Pattern[str], **how: Any) -> None:
    """Let the mock answer one request."""
    mock.add(url, method, response_class=MockedResponse, **how)


def org_at(url: str, **changes: Any) -> OrgConfig:
    """Return the simulator's first organization."""
    known = credentials(0)
    values: dict[str, Any] = {
        "client_id": known.client_id,
        "client_secret": known.client_secret,
        "refresh_token": known.refresh_token,
        "api_url": url,
        "accounts_url": url,
    }
    return OrgConfig("default", "us", **(values | changes))


@dataclass
class MemoryTokens:
    """A token cache for tests that need no database."""

    token: AccessToken | None = None
    issued_at: tuple[datetime, ...] = ()
    dropped: int = 0

    async def load(self) -> AccessToken | None:
        return self.token

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[TokenSlot]:
        slot = TokenSlot(self.token, self.issued_at)
        try:
            yield slot
        finally:
            self.token, self.issued_at = slot.token, slot.issued_at

    async def drop(self) -> None:
        self.token, self.dropped = None, self.dropped + 1


@asynccontextmanager
async def zoho_source(
    org: OrgConfig, cache: TokenCache | None = None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[CadenceSource]:
    """Yield the product's own source for an organization, with few attempts."""
    chosen = Settings.model_construct(**({"zoho_max_attempts": 2} | settings))
    clock = clock or wiring.SystemClock()
    async with wiring.session(chosen) as http:
        auth = wiring.auth(chosen, http, org, clock, cache or MemoryTokens())
        yield wiring.source(chosen, http, auth, clock)


def asked(simulator: Simulator) -> list[dict[str, str]]:
    """Return the queries of the list requests so far."""
    return [dict(entry.query) for entry in simulator.journal.requests if entry.path.endswith("/cadences")]
