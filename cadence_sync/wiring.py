"""The composition root: the only place that names concrete classes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from cadence_sync.config.alerts import ChannelSettings
from cadence_sync.config.settings import Settings
from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report
from cadence_sync.errors import CadenceSyncError
from cadence_sync.orgs.config import OrgConfig
from cadence_sync.ports import ApiUsage, CadenceSource, Clock, Org, ProgressCallback, TokenCache
from cadence_sync.sync import Sync, SyncOptions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.alerts.channels import Channel
    from cadence_sync.alerts.dispatcher import Count, Dispatcher
    from cadence_sync.alerts.routing import AlertRouting
    from cadence_sync.db.alert_outbox import IsStale
    from cadence_sync.db.store import PostgresStore
    from cadence_sync.zoho.client import Client
    from cadence_sync.zoho.data_centers import Addresses
    from cadence_sync.zoho.http import Http
    from cadence_sync.zoho.oauth import Auth, Credentials, OnRefresh

LEASE_MARGIN: Final = 900.0
"""Seconds that a run may last beyond its listing: to write, and to wait for the database."""
TOKEN_MARGIN: Final = 10.0
"""Seconds that a token refresh may take beyond waiting for Zoho's answer."""
ALERT_GRACE: Final = 5.0
"""Seconds that messages under way may take when a daemon stops; those that take longer are sent again."""
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
    from cadence_sync.db.engine import open_engine

    with database_url(settings) as url:
        async with open_engine(url) as engine:
            yield engine


@asynccontextmanager
async def direct_database(settings: Settings) -> "AsyncIterator[AsyncEngine]":
    """Yield an engine for `migrate`: past a pooler, where the settings name that address."""
    from cadence_sync.db.engine import open_engine

    with database_url(settings) as url:
        direct = settings.database_direct_url
        async with open_engine(direct.get_secret_value() if direct else url) as engine:
            yield engine


@asynccontextmanager
async def long_lived_database(settings: Settings) -> "AsyncIterator[tuple[AsyncEngine, str]]":
    """Yield an engine for a daemon, and the address of direct connections, which may listen and hold locks.

    Where the settings name that address apart, the database's own leads to a pooler.
    """
    from cadence_sync.db.engine import open_engine

    with database_url(settings) as url:
        listen = settings.database_direct_url
        long_lived = settings.worker_concurrency if listen is None else None
        async with open_engine(url, long_lived) as engine:
            yield engine, listen.get_secret_value() if listen else url


async def migrate(engine: "AsyncEngine") -> str:
    """Bring the history's tables and the queue to what this release needs; returns the revision that is reached."""
    from cadence_sync.daemon import queue
    from cadence_sync.db.migrate import migrate as migrate_history
    from cadence_sync.db.queue import driver_of

    outdated = await _outdated_queue(engine)
    reached = await migrate_history(engine, outdated)
    if outdated:
        async with driver_of(engine) as connection:
            await queue.install(connection)
    return reached


async def check_migration_rights(engine: "AsyncEngine") -> None:
    """Raise `DatabaseError` where `migrate` has something to do and its user lacks a right for it."""
    from cadence_sync.db.migrate import check_migration_rights

    await check_migration_rights(engine, await _outdated_queue(engine))


async def _outdated_queue(engine: "AsyncEngine") -> list[str]:
    from cadence_sync.daemon import queue
    from cadence_sync.db.queue import driver_of

    async with driver_of(engine) as connection:
        return [queue.SCHEMA] if await queue.is_pending(connection) else []


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the address of the configured database, else of the embedded one, which runs meanwhile."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    from cadence_sync.db import embedded

    with embedded.running(settings.data_dir) as url:
        yield url


def token_cache(settings: Settings, engine: "AsyncEngine", org: OrgConfig) -> TokenCache:
    """Return the cache of access tokens that all processes share through the database."""
    from cadence_sync.db.crypto import Cipher
    from cadence_sync.db.tokens import TokenTable
    from cadence_sync.zoho.oauth import fingerprint

    # Without keys of its own the cache is locked with what a thief of the database does not have either.
    cipher = Cipher(settings.encryption_key_list or [org.client_secret])
    identity = fingerprint(credentials_of(org), addresses_of(org))
    return TokenTable(engine, cipher, org.org_id, identity, settings.zoho_timeout + TOKEN_MARGIN)


@asynccontextmanager
async def source(settings: Settings, org: OrgConfig, clock: Clock, cache: TokenCache) -> AsyncIterator[CadenceSource]:
    """Yield an organization's listings, straight from Zoho."""
    async with session(settings) as http:
        yield _source(settings, http, _auth(http, org, clock, cache), clock)


@asynccontextmanager
async def session(settings: Settings) -> "AsyncIterator[Http]":
    """Yield what sends requests to Zoho; any number of organizations may share it."""
    from stamina.instrumentation import set_on_retry_hooks

    from cadence_sync.zoho import http

    set_on_retry_hooks([])  # our own backoff logs; stamina's hook would take whatever logger it finds
    async with http.open_http(settings.zoho_timeout, settings.zoho_max_body_mb * MEGABYTE) as opened:
        yield opened


def _auth(
    http: "Http", org: OrgConfig, clock: Clock, cache: TokenCache, on_refresh: "OnRefresh | None" = None
) -> "Auth":
    from cadence_sync.zoho.oauth import Auth

    return Auth(http, credentials_of(org), addresses_of(org), clock, cache, on_refresh)


def client(settings: Settings, http: "Http", org: OrgConfig, clock: Clock, cache: TokenCache) -> "Client":
    """Return what asks Zoho for single pages of an organization."""
    return _client(settings, http, _auth(http, org, clock, cache))


def _client(settings: Settings, http: "Http", auth: "Auth") -> "Client":
    from cadence_sync.zoho.client import Client
    from cadence_sync.zoho.limiter import Limiter

    limiter = Limiter(settings.zoho_concurrency)
    return Client(http, auth, settings.zoho_api_version, settings.zoho_max_attempts, limiter)


def _source(settings: Settings, http: "Http", auth: "Auth", clock: Clock) -> CadenceSource:
    from cadence_sync.zoho.source import ZohoSource

    asking = _client(settings, http, auth)
    return ZohoSource(asking, clock, settings.zoho_per_page, settings.zoho_concurrency, settings.zoho_listing_timeout)


@asynccontextmanager
async def sync(
    settings: Settings,
    engine: "AsyncEngine",
    org: OrgConfig,
    on_progress: ProgressCallback | None = None,
    *,
    allow_mass_delete: bool = False,
    allow_other_org: bool = False,
) -> AsyncIterator[Sync]:
    """Yield what syncs one organization; the two permits are what a person may give for one run."""
    clock = SystemClock()
    permits = SyncOptions(_deletion_threshold(settings), allow_mass_delete, allow_other_org)
    store = _store(settings, engine)
    async with source(settings, org, clock, token_cache(settings, engine, org)) as cadences:
        yield Sync(Org(org.org_id, org.data_center, org.stored), cadences, store, clock, on_progress, permits)


@asynccontextmanager
async def many_syncs(
    settings: Settings, engine: "AsyncEngine", on_refresh: "OnRefresh | None" = None, clock: Clock | None = None
) -> "AsyncIterator[Callable[[OrgConfig], Sync]]":
    """Yield what makes a sync of any organization; all share one session, one store and what they know of tokens."""
    clock, store, permits = clock or SystemClock(), _store(settings, engine), SyncOptions(_deletion_threshold(settings))
    async with session(settings) as http:
        auths: dict[str, tuple[OrgConfig, Auth]] = {}

        def sync_of(org: OrgConfig) -> Sync:
            known, auth = auths.get(org.org_id, (None, None))
            if auth is None or known != org:
                auth = _auth(http, org, clock, token_cache(settings, engine, org), on_refresh)
                auths[org.org_id] = (org, auth)
            cadences = _source(settings, http.with_own_counter(), auth, clock)
            return Sync(Org(org.org_id, org.data_center, org.stored), cadences, store, clock, options=permits)

        yield sync_of


async def failed_run(
    settings: Settings, engine: "AsyncEngine", org: Org, trigger: str, error: CadenceSyncError
) -> Report:
    """Enter and report a run that failed before it began: its organization cannot be reached as it is configured."""
    now, store = SystemClock().now(), _store(settings, engine)
    run_id = None
    try:
        run = await store.begin(org, trigger, now)
        run_id = run.run_id
        await store.fail(run, ErrorInfo.of(error), ApiUsage(), now)
    except CadenceSyncError as second:
        error = second  # without the ledger there is nothing graver to tell
    return Report(org.org_id, run_id, Outcome.FAILED, Counters(), 0, 0.0, ErrorInfo.of(error))


def _store(settings: Settings, engine: "AsyncEngine") -> "PostgresStore":
    from cadence_sync.db.store import PostgresStore

    lease = settings.zoho_listing_timeout + LEASE_MARGIN
    return PostgresStore(engine, lease, settings.zoho_daily_call_limit, alert_routing(settings))


def alert_routing(settings: Settings) -> "AlertRouting":
    """Return which channels are told of what."""
    from cadence_sync.alerts.routing import build_routing as rules

    return rules(settings)


async def dispatcher(settings: Settings, engine: "AsyncEngine", count: "Count | None" = None) -> "Dispatcher":
    """Return what sends alerts; raises `SettingsError` where the address of a channel cannot work."""
    from cadence_sync.alerts.dispatcher import Dispatcher, count_nothing
    from cadence_sync.db.alert_delivery import AlertDelivery

    clock = SystemClock()
    channels = await asyncio.to_thread(open_channels, settings, clock)
    return Dispatcher(AlertDelivery(engine), channels, alert_routing(settings), clock, count or count_nothing)


def open_channels(settings: Settings, clock: Clock) -> "dict[str, Channel]":
    """Return the channels of the settings; raises `SettingsError` for the first whose address is invalid.

    Loads Apprise, which takes a second: call it in a thread.
    """
    return {name: _open_channel(settings, clock, name, channel) for name, channel in settings.alert_channels.items()}


def _open_channel(settings: Settings, clock: Clock, name: str, channel: ChannelSettings) -> "Channel":
    if channel.webhook is not None and channel.secret is not None:
        from cadence_sync.alerts.webhook import WebhookChannel

        url, secret = channel.webhook.get_secret_value(), channel.secret.get_secret_value()
        return WebhookChannel(name, url, secret, settings.web_url, clock)
    from cadence_sync.alerts.apprise import open_service

    return open_service(name, "" if channel.url is None else channel.url.get_secret_value(), settings.web_url)


@asynccontextmanager
async def sending_alerts(settings: Settings, engine: "AsyncEngine", count: "Count") -> AsyncIterator[None]:
    """Send alerts meanwhile, where there are channels."""
    if not settings.alert_channels:
        yield
        return
    from cadence_sync.alerts.dispatcher import run_dispatcher

    async with run_dispatcher(await dispatcher(settings, engine, count), ALERT_GRACE):
        yield


@asynccontextmanager
async def watching(
    settings: Settings, engine: "AsyncEngine", staleness: "Callable[[], IsStale | None]"
) -> AsyncIterator[None]:
    """Announce episodes that begin and end meanwhile: `staleness` says what is too old, or that another looks."""
    if not settings.alert_channels:
        yield
        return
    from cadence_sync.alerts.dispatcher import in_background
    from cadence_sync.alerts.staleness import watch
    from cadence_sync.db.alert_outbox import enter_staleness

    enter = partial(enter_staleness, engine, alert_routing(settings))
    async with in_background(watch(enter, SystemClock(), staleness)):
        yield


def _deletion_threshold(settings: Settings) -> DeletionThreshold:
    return DeletionThreshold(settings.delete_threshold_count, settings.delete_threshold_percent)


def credentials_of(org: OrgConfig) -> "Credentials":
    """Return what the token endpoint asks for."""
    from cadence_sync.zoho.oauth import Credentials

    return Credentials(org.client_id, org.client_secret, org.refresh_token)


def addresses_of(org: OrgConfig) -> "Addresses":
    """Return the hosts that an organization is reached at."""
    from cadence_sync.zoho.data_centers import addresses

    return addresses(org.data_center, org.api_url, org.accounts_url)
