"""A store in memory: it keeps what a plan says and gives it to the next one, as the real store does."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import Any, TypeAlias

from cadence_sync.core.canonical import from_document, to_document
from cadence_sync.core.decode import decode_record
from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.diff import Kind, Plan, PriorState, Refresh, Version, plan_deleted, plan_listed
from cadence_sync.core.digest_index import EMPTY_INDEX, DigestIndex
from cadence_sync.core.fields import LABELS
from cadence_sync.core.listing import Listing, Paginator
from cadence_sync.core.records import CurrentState, Page, PageInfo, QuarantinedRecord, Record
from cadence_sync.core.report import Counters

MadeRecord: TypeAlias = Record | QuarantinedRecord

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def decode_one(source: dict[str, Any]) -> Record:
    decoded = decode_record(json.dumps(source).encode())
    assert isinstance(decoded, Record), decoded
    return decoded


def index_of(digests: Mapping[str, bytes], deleted: int = 0) -> DigestIndex:
    """Return what the store says of live cadences: id → digest."""
    ids = sorted(digests, key=lambda cadence_id: digests[cadence_id])
    return DigestIndex(b"".join(digests[i] for i in ids), "".join(ids), [len(i) for i in ids], deleted)


def listing_of(records: Iterable[MadeRecord], at: datetime = START, index: DigestIndex = EMPTY_INDEX) -> Listing:
    """Return what a listing hands over for records of distinct ids."""
    found = list(records)
    positions = [index.find(r.digest) if isinstance(r, Record) else None for r in found]
    others = tuple(r for r, position in zip(found, positions, strict=True) if position is None)
    unchanged = tuple(position for position in positions if position is not None)
    paginator = Paginator(index, TemporaryFile)
    paginator.add_page(1, Page(PageInfo(1, 200, len(found), more_records=False), others, unchanged))
    return paginator.listing(at)


@dataclass
class Made(Plan):
    """A whole run's plan and its counters."""

    counters: Counters = field(default_factory=Counters)

    @property
    def unchanged(self) -> int:
        return self.counters.unchanged


@dataclass
class Memory:
    """One organization; the first sync is at `START`, each other an hour after the one before."""

    known: dict[str, CurrentState] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)
    last_listed_at: datetime | None = None
    had_unreadable_ids: bool = False

    @property
    def now(self) -> datetime:
        """When the next sync begins by default."""
        return START if self.last_listed_at is None else self.last_listed_at + HOUR

    def sync(self, *records: dict[str, Any] | MadeRecord, at: datetime | None = None) -> Made:
        decoded = (decode_one(r) if isinstance(r, dict) else r for r in records)
        listing = listing_of(decoded, at or self.now, index_of(self.digests))
        plan = self.plan(listing)
        for version in plan.versions:
            self._append(version)
        for refresh in plan.refreshes:
            self._refresh(refresh)
        self.digests.update((row.cadence_id, row.digest) for row in plan.reencoded if row.digest is not None)
        self.last_listed_at, self.had_unreadable_ids = listing.started_at, listing.has_unreadable_ids
        self.quarantined |= listing.quarantined_ids
        return plan

    def plan(self, listing: Listing) -> Made:
        past = PriorState(self.last_listed_at, frozenset(self.quarantined), self.had_unreadable_ids)
        deletions = DeletionPlan(tuple(listing.missing()))
        listed = plan_listed(listing, listing.changed, self.known, past)
        deleted = plan_deleted(listing, [self.known[cadence_id] for cadence_id in deletions.delete])
        versions = [*listed.versions, *deleted.versions]
        counters = Counters.of(listing, deletions, Counter(version.kind for version in versions))
        return Made(versions, listed.refreshes, listed.reencoded, listed.drift, counters)

    def only_version(self, *records: dict[str, Any] | MadeRecord, at: datetime | None = None) -> Version:
        """Sync, and return the one version that this makes."""
        plan = self.sync(*records, at=at)
        assert len(plan.versions) == 1, plan.versions
        return plan.versions[0]

    def _append(self, version: Version) -> None:
        row = version.row
        self.versions.append(version)
        self.known[row.cadence_id] = CurrentState(
            row.cadence_id,
            version.number,
            version.kind is Kind.DELETED,
            version.valid_from,
            from_document(json.loads(json.dumps(to_document(row.config)))),
            {label: row.labels.get(label) for label in LABELS},
            json.loads(json.dumps(row.extra)),
        )
        if row.digest is None:
            del self.digests[row.cadence_id]
        else:
            self.digests[row.cadence_id] = row.digest

    def _refresh(self, refresh: Refresh) -> None:
        row, before = refresh.row, self.known[refresh.row.cadence_id]
        assert row.digest is not None
        labels = {label: row.labels.get(label) for label in LABELS}
        config = before.config | refresh.discovered
        self.known[row.cadence_id] = CurrentState(
            row.cadence_id, before.version, before.deleted, before.valid_from, config, labels, row.extra
        )
        self.digests[row.cadence_id] = row.digest
