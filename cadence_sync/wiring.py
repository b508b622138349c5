"""The composition root: builds what the settings describe, and runs none of it.

Imports are inside the factories: a command loads only the sides that it uses.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cadence_sync.alerts.routing import build_routing
from cadence_sync.config.alerts import ChannelSettings
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.ports import Actor, CadenceSource, Clock, Org, ProgressCallback, TokenCache
from cadence_sync.sync import Sync, SyncOptions
from cadence_sync.zoho.data_centers import DATA_CENTERS, Addresses

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.alerts.channels import Channel
    from cadence_sync.alerts.dispatcher import Count, Dispatcher
    from cadence_sync.db.store import PostgresStore
    from cadence_sync.zoho.client import Client
    from cadence_sync.zoho.http import Http
    from cadence_sync.zoho.oauth import Auth, OnRefresh

LEASE_MARGIN: Final = 900.0
"""Seconds that a run may last beyond its listing: to write, and to wait for the database."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place where the time comes from

    def monotonic(self) -> float:
        return time.monotonic()


def load() -> None:
    """Imports everything that a sync needs, at a time of the caller's choice."""
    import cadence_sync.db.store
    import cadence_sync.db.tokens
    import cadence_sync.zoho.source  # noqa: F401 - see above


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yields the address of the configured database, else of the embedded one, which runs meanwhile."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    from cadence_sync.db import embedded

    with embedded.running(settings.data_dir) as url:
        yield url


@asynccontextmanager
async def database(settings: Settings, *, direct: bool = False) -> "AsyncIterator[AsyncEngine]":
    """Yields an engine; a `direct` one goes past a pooler, where the settings have an address for that."""
    from cadence_sync.db.engine import open_engine

    with database_url(settings) as url:
        async with open_engine((_direct_url(settings) if direct else None) or url) as engine:
            yield engine


@asynccontextmanager
async def long_lived_database(settings: Settings) -> "AsyncIterator[tuple[AsyncEngine, str]]":
    """Yields an engine for a daemon, and the address of direct connections, which may listen and hold locks.

    Where the settings have an address for these, the database's own leads to a pooler, which keeps connections itself.
    """
    from cadence_sync.db.engine import open_engine

    with database_url(settings) as url:
        direct = _direct_url(settings)
        async with open_engine(url, None if direct else settings.worker_concurrency) as engine:
            yield engine, direct or url


def _direct_url(settings: Settings) -> str | None:
    return None if settings.database_direct_url is None else settings.database_direct_url.get_secret_value()


def session(settings: Settings) -> "AbstractAsyncContextManager[Http]":
    from stamina.instrumentation import set_on_retry_hooks

    from cadence_sync.zoho.http import open_http

    set_on_retry_hooks([])  # our own backoff logs; stamina's hook would take whatever logger it finds
    return open_http(settings.zoho_timeout, settings.zoho_max_body_mb * 2**20)


def addresses_of(settings: Settings, org: OrgConfig) -> Addresses:
    """Returns an organization's own hosts, else those at the top level of the settings, else its data center's."""
    default = DATA_CENTERS[org.data_center]
    api, accounts = org.api_url or settings.zoho_api_url, org.accounts_url or settings.zoho_accounts_url
    return Addresses(accounts or default.accounts, api or default.api, api_is_fixed=api is not None)


def token_cache(settings: Settings, engine: "AsyncEngine", org: OrgConfig) -> TokenCache:
    from cadence_sync.db.credentials import Cipher
    from cadence_sync.db.tokens import TokenTable
    from cadence_sync.zoho.oauth import fingerprint

    # Without configured keys the cache is locked with what a thief of the database does not have either.
    cipher = Cipher(settings.encryption_key_list or [org.client_secret])
    identity = fingerprint(org, addresses_of(settings, org))
    patience = settings.zoho_timeout + 10  # a refresh is more than waiting for Zoho's answer
    return TokenTable(engine, cipher, org.org_id, identity, patience)


def auth(settings: Settings, http: "Http", org: OrgConfig, clock: Clock, cache: TokenCache) -> "Auth":
    from cadence_sync.zoho.oauth import Auth

    return Auth(http, org, addresses_of(settings, org), clock, cache)


def client(settings: Settings, http: "Http", auth: "Auth") -> "Client":
    from cadence_sync.zoho.client import Client, Limiter

    limiter = Limiter(settings.zoho_concurrency)
    return Client(http, auth, settings.zoho_api_version, settings.zoho_max_attempts, limiter)


def source(settings: Settings, http: "Http", auth: "Auth", clock: Clock) -> CadenceSource:
    from cadence_sync.zoho.source import ZohoSource

    pages = client(settings, http, auth)
    return ZohoSource(pages, clock, settings.zoho_per_page, settings.zoho_concurrency, settings.zoho_listing_timeout)


def store(settings: Settings, engine: "AsyncEngine") -> "PostgresStore":
    from cadence_sync.db.store import PostgresStore

    lease = settings.zoho_listing_timeout + LEASE_MARGIN
    return PostgresStore(engine, lease, settings.zoho_daily_call_limit, build_routing(settings))


def sync_options(
    settings: Settings, by: Actor | None = None, *, allow_mass_delete: bool = False, allow_other_org: bool = False
) -> SyncOptions:
    threshold = DeletionThreshold(settings.delete_threshold_count, settings.delete_threshold_percent)
    permitted_by = by if allow_mass_delete or allow_other_org else None
    return SyncOptions(threshold, allow_mass_delete, allow_other_org, permitted_by)


@asynccontextmanager
async def sync_factory(
    settings: Settings,
    engine: "AsyncEngine",
    *,
    clock: Clock | None = None,
    on_refresh: "OnRefresh | None" = None,
    on_progress: ProgressCallback | None = None,
    options: SyncOptions | None = None,
) -> AsyncIterator[Callable[[OrgConfig], Sync]]:
    """Yields a function that builds a sync of any organization; all share a session, a store and access tokens."""
    clock, history, options = clock or SystemClock(), store(settings, engine), options or sync_options(settings)
    auths: dict[str, Auth] = {}
    async with session(settings) as http:

        def sync_of(org: OrgConfig) -> Sync:
            access = auths.get(org.org_id)
            if access is None or access.org != org:
                access = auths[org.org_id] = auth(settings, http, org, clock, token_cache(settings, engine, org))
                access.on_refresh = on_refresh
            cadences = source(settings, http.with_own_counter(), access, clock)
            return Sync(Org(org.org_id, org.data_center, org.stored), cadences, history, clock, on_progress, options)

        yield sync_of


@asynccontextmanager
async def sync(
    settings: Settings,
    engine: "AsyncEngine",
    org: OrgConfig,
    on_progress: ProgressCallback | None = None,
    by: Actor | None = None,
    **permits: bool,
) -> AsyncIterator[Sync]:
    """Yields a sync of one organization; `by` gives the permits, which are those of `sync_options`."""
    options = sync_options(settings, by, **permits)
    async with sync_factory(settings, engine, on_progress=on_progress, options=options) as sync_of:
        yield sync_of(org)


async def dispatcher(settings: Settings, engine: "AsyncEngine", count: "Count") -> "Dispatcher":
    """Returns what sends alerts; raises `SettingsError` where the address of a channel is invalid."""
    from cadence_sync.alerts.dispatcher import Dispatcher
    from cadence_sync.db.alert_delivery import AlertDelivery

    clock = SystemClock()
    channels = await asyncio.to_thread(open_channels, settings, clock)
    return Dispatcher(AlertDelivery(engine), channels, build_routing(settings), clock, count)


def open_channels(settings: Settings, clock: Clock) -> "dict[str, Channel]":
    """Loads Apprise, which takes a second: call it in a thread. Raises `SettingsError` for an invalid address."""
    return {name: _open_channel(settings, clock, name, channel) for name, channel in settings.alert_channels.items()}


def _open_channel(settings: Settings, clock: Clock, name: str, channel: ChannelSettings) -> "Channel":
    if channel.webhook is not None and channel.secret is not None:
        from cadence_sync.alerts.webhook import WebhookChannel

        url, secret = channel.webhook.get_secret_value(), channel.secret.get_secret_value()
        return WebhookChannel(name, url, secret, settings.web_url, clock)
    from cadence_sync.alerts.apprise import open_service

    return open_service(name, "" if channel.url is None else channel.url.get_secret_value(), settings.web_url)
