"""The composition root: builds what the settings describe, and runs none of it.

Imports are inside the factories: a command loads only the sides that it uses.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class DaemonDatabase:
    engine: "AsyncEngine"
    web_engine: "AsyncEngine"
    """Opens its first connection with the first page."""
    url: str
    """The engines' address, which may lead to a pooler."""
    direct_url: str
    """The address of connections that may listen and hold locks."""


@asynccontextmanager
async def long_lived_database(settings: Settings) -> AsyncIterator[DaemonDatabase]:
    """Yields the engines of a daemon.

    Where the settings have a direct address, the database's own leads to a pooler, which keeps connections itself.
    """
    from cadence_sync.db.engine import WEB_UI, PoolSize, open_engine

    direct_url = _direct_url(settings)
    direct = direct_url is None
    size = PoolSize.of_daemon(settings.worker_concurrency, direct=direct)
    with database_url(settings) as url:
        async with open_engine(url, size, direct=direct) as engine, open_engine(url, WEB_UI, direct=direct) as web:
            yield DaemonDatabase(engine, web, url, direct_url or url)


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
    return Addresses(accounts or default.accounts, api or default.api, api is not None, default.api_domains)


def token_cache(settings: Settings, engine: "AsyncEngine", org: OrgConfig) -> TokenCache:
    from cadence_sync.db.cipher import Cipher, ClientSecretCipher
    from cadence_sync.db.tokens import TokenTable
    from cadence_sync.zoho.oauth import fingerprint

    # Without configured keys the cache is locked with what a thief of the database does not have either.
    keys = settings.encryption_key_list
    cipher = Cipher(keys) if keys else ClientSecretCipher(org.client_secret)
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
    from cadence_sync.alerts.channels import NamelessChannel

    opened = _open_receiver(settings, clock, name, channel)
    return opened if channel.names else NamelessChannel(opened)


def _open_receiver(settings: Settings, clock: Clock, name: str, channel: ChannelSettings) -> "Channel":
    if channel.webhook is not None:
        from cadence_sync.alerts.webhook import WebhookChannel

        secrets = [secret.get_secret_value() for secret in channel.secret or ()]
        return WebhookChannel(name, channel.webhook.get_secret_value(), secrets, settings.web_url, clock)
    from cadence_sync.alerts.apprise import open_service

    return open_service(name, "" if channel.url is None else channel.url.get_secret_value(), settings.web_url)
