"""The composition root: the only place that names concrete classes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cadence_sync.core.guard import Brake
from cadence_sync.orgs import OrgConfig
from cadence_sync.ports import CadenceSource, Clock, OnPage, Org, TokenCache
from cadence_sync.settings import Settings
from cadence_sync.sync import Permits, Sync

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.zoho.auth import Credentials
    from cadence_sync.zoho.data_centers import Addresses

LEASE_MARGIN: Final = 900.0
"""Seconds that a run may last beyond its walk: to write, and to wait for the database."""
TOKEN_MARGIN: Final = 10.0
"""Seconds that a token refresh may take beyond waiting for Zoho's answer."""
MEGABYTE: Final = 1024 * 1024


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place where the time comes from

    def monotonic(self) -> float:
        """Return seconds from some fixed point."""
        return time.monotonic()


def load() -> None:
    """Import all that a sync needs, at a time of the caller's choice."""
    import cadence_sync.db.store
    import cadence_sync.db.tokens
    import cadence_sync.zoho.source  # noqa: F401 - see above


@asynccontextmanager
async def database(settings: Settings) -> "AsyncIterator[AsyncEngine]":
    """Yield an engine on the configured database, else on the embedded one."""
    from cadence_sync.db.engine import opened

    if settings.database_url is not None:
        async with opened(settings.database_url.get_secret_value()) as engine:
            yield engine
        return
    from cadence_sync import embedded

    with embedded.running(settings.data_dir) as url:
        async with opened(url) as engine:
            yield engine


def token_cache(settings: Settings, engine: "AsyncEngine", org: OrgConfig) -> TokenCache:
    """Return the cache of access tokens that all processes share through the database."""
    from cadence_sync.db.secrets import Vault
    from cadence_sync.db.tokens import TokenTable
    from cadence_sync.zoho.auth import fingerprint

    # Without keys of its own the cache is locked with what a thief of the database does not have either.
    vault = Vault(settings.secret_key_list or [org.client_secret])
    identity = fingerprint(_credentials(org), _addresses(org))
    return TokenTable(engine, vault, org.org_id, identity, settings.zoho_timeout + TOKEN_MARGIN)


@asynccontextmanager
async def source(settings: Settings, org: OrgConfig, clock: Clock, cache: TokenCache) -> AsyncIterator[CadenceSource]:
    """Yield an organisation's listings, straight from Zoho."""
    from stamina.instrumentation import set_on_retry_hooks

    from cadence_sync.zoho import http
    from cadence_sync.zoho.auth import Auth
    from cadence_sync.zoho.client import Client
    from cadence_sync.zoho.limiter import Limiter
    from cadence_sync.zoho.source import ZohoSource

    set_on_retry_hooks([])  # our own backoff logs; stamina's hook would take whatever logger it finds
    async with http.opened(settings.zoho_timeout, settings.zoho_max_body_mb * MEGABYTE) as session:
        auth = Auth(session, _credentials(org), _addresses(org), clock, cache)
        limiter = Limiter(settings.zoho_concurrency)
        client = Client(session, auth, settings.zoho_api_version, settings.zoho_attempts, limiter)
        yield ZohoSource(client, clock, settings.zoho_per_page, settings.zoho_concurrency, settings.zoho_walk_timeout)


@asynccontextmanager
async def sync(
    settings: Settings,
    engine: "AsyncEngine",
    org: OrgConfig,
    on_page: OnPage | None = None,
    *,
    mass_delete: bool = False,
    other_org: bool = False,
) -> AsyncIterator[Sync]:
    """Yield what syncs one organisation; the two permits are what a person may give for one run."""
    from cadence_sync.db.store import PostgresStore

    clock = SystemClock()
    permits = Permits(Brake(settings.brake_floor, settings.brake_percent), mass_delete, other_org)
    store = PostgresStore(engine, settings.zoho_walk_timeout + LEASE_MARGIN, settings.zoho_daily_calls)
    async with source(settings, org, clock, token_cache(settings, engine, org)) as cadences:
        yield Sync(Org(org.org_id, org.data_center), cadences, store, clock, on_page, permits)


def _credentials(org: OrgConfig) -> "Credentials":
    from cadence_sync.zoho.auth import Credentials

    return Credentials(org.client_id, org.client_secret, org.refresh_token)


def _addresses(org: OrgConfig) -> "Addresses":
    from cadence_sync.zoho.data_centers import addresses

    return addresses(org.data_center, org.api_url, org.accounts_url)
