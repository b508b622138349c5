"""Syncs without HTTP: the listing is what the test says, the store and everything else are the real ones."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.core.decode import decode_page
from cadence_sync.core.digest_index import EMPTY_INDEX, DigestIndex
from cadence_sync.core.listing import Listing, Paginator
from cadence_sync.core.report import Report
from cadence_sync.db.store import PostgresStore
from cadence_sync.errors import CadenceSyncError
from cadence_sync.ports import ApiUsage, CadenceSource, Org, PagingHint, ProgressCallback
from cadence_sync.sync import Sync, SyncOptions
from tests.support.records import listing

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ORG = Org("default", "us")


@dataclass
class SetClock:
    """A clock that stands still until it is moved."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def move(self, **by: float) -> datetime:
        self.time += timedelta(**by)
        return self.time


@dataclass
class WrittenSource:
    """A source whose only page is written down, or whose listing fails."""

    body: bytes
    clock: SetClock
    error: CadenceSyncError | None = None
    second: bytes | None = None
    confirmed: list[list[str]] = field(default_factory=list)
    usage: ApiUsage = field(default_factory=lambda: ApiUsage(1, 1))

    async def fetch_listing(
        self, hint: PagingHint, index: DigestIndex, on_page: ProgressCallback | None = None
    ) -> Listing:
        del hint, on_page
        if self.error is not None:
            raise self.error
        return self.listing(index)

    async def confirm(
        self, listing: Listing, absent: Collection[str], hint: PagingHint, index: DigestIndex
    ) -> tuple[Listing, frozenset[str]]:
        """Show `second` to the second look, or the same again."""
        del listing, hint
        self.confirmed.append(sorted(absent))
        second = self.listing(index, self.second)
        return second, frozenset(absent).intersection(second.missing())

    def listing(self, index: DigestIndex = EMPTY_INDEX, body: bytes | None = None) -> Listing:
        listing = Paginator(index, TemporaryFile)
        listing.add_page(1, decode_page(body or self.body, index))
        return listing.listing(self.clock.now())


class Lab:
    """One organization, synced again and again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.clock = SetClock()
        self.store = PostgresStore(engine, lease=60)

    def syncing(self, source: CadenceSource, org: Org = ORG, permits: SyncOptions | None = None) -> Sync:
        return Sync(org, source, self.store, self.clock, options=permits or SyncOptions())

    async def sync(
        self,
        *records: dict[str, Any],
        body: bytes | None = None,
        second: bytes | None = None,
        org: Org = ORG,
        permits: SyncOptions | None = None,
    ) -> Report:
        """Sync a listing of these records, a minute after the last."""
        self.clock.move(minutes=1)
        self.source = WrittenSource(listing(list(records)) if body is None else body, self.clock, second=second)
        return await self.syncing(self.source, org, permits).run("test")

    async def rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(statement), values)).mappings()]

    async def row(self, statement: str, **values: object) -> dict[str, Any]:
        rows = await self.rows(statement, **values)
        assert len(rows) == 1, rows
        return rows[0]

    async def execute(self, *statements: str) -> None:
        """Execute statements in one transaction."""
        async with self.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    async def contents(self) -> dict[str, list[str]]:
        """Return every row of every table with the transaction that wrote it, but for the ledger and the orgs."""
        tables = await self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'cadence_sync'")
        names = sorted(t["table_name"] for t in tables if t["table_name"] not in {"sync_runs", "orgs"})
        return {
            name: [
                str(r["row"]) for r in await self.rows(f"SELECT (t.xmin, t)::text AS row FROM cadence_sync.{name} t")
            ]
            for name in names
        }
