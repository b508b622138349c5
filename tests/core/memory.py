"""A store in memory: it keeps what a plan says and gives it to the next one, as the real store does."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import Any, TypeAlias

from cadence_sync.core.decode import decode_record
from cadence_sync.core.diff import Kind, Past, Plan, Refresh, Version, plan_deleted, plan_sighted
from cadence_sync.core.document import known_of, to_document
from cadence_sync.core.fields import LABELS
from cadence_sync.core.guard import Verdict
from cadence_sync.core.index import NOTHING, Index
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Known, Page, PageInfo, Quarantined, Sighting, Stored
from cadence_sync.core.paging import Walk
from cadence_sync.core.report import Counters, Tally

Record: TypeAlias = Sighting | Quarantined

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def sighting(source: dict[str, Any]) -> Sighting:
    decoded = decode_record(json.dumps(source).encode())
    assert isinstance(decoded, Sighting), decoded
    return decoded


def index_of(digests: Mapping[str, bytes], deleted: int = 0) -> Index:
    """Return what the store says of live cadences: id → digest."""
    ids = sorted(digests, key=lambda cadence_id: digests[cadence_id])
    return Index(b"".join(digests[i] for i in ids), "".join(ids), [len(i) for i in ids], deleted)


def listing_of(records: Iterable[Record], at: datetime = START, index: Index = NOTHING) -> Listing:
    """Return what a walk hands over for records of distinct ids."""
    found = list(records)
    positions = [index.find(r.digest) if isinstance(r, Sighting) else None for r in found]
    others = tuple(r for r, position in zip(found, positions, strict=True) if position is None)
    unchanged = tuple(position for position in positions if position is not None)
    walk = Walk(index, TemporaryFile)
    walk.receive(1, Page(PageInfo(1, 200, len(found), more_records=False), others, unchanged))
    return walk.listing(at)


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

    known: dict[str, Known] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)
    last_walk: datetime | None = None
    had_unreadable_ids: bool = False

    @property
    def now(self) -> datetime:
        """When the next sync begins, unless told."""
        return START if self.last_walk is None else self.last_walk + HOUR

    def sync(self, *records: dict[str, Any] | Record, at: datetime | None = None) -> Made:
        decoded = (sighting(r) if isinstance(r, dict) else r for r in records)
        listing = listing_of(decoded, at or self.now, index_of(self.digests))
        plan = self.plan(listing)
        for version in plan.versions:
            self._append(version)
        for refresh in plan.refreshes:
            self._refresh(refresh)
        self.digests.update((row.cadence_id, row.digest) for row in plan.respelled if row.digest is not None)
        self.last_walk, self.had_unreadable_ids = listing.started_at, listing.hides_ids
        self.quarantined |= listing.quarantined_ids
        return plan

    def plan(self, listing: Listing) -> Made:
        past = Past(self.last_walk, frozenset(self.quarantined), self.had_unreadable_ids)
        verdict, tally = Verdict(tuple(listing.missing())), Tally()
        sighted = plan_sighted(listing, listing.changed, self.known, past)
        deleted = plan_deleted(listing, [self.known[cadence_id] for cadence_id in verdict.retire])
        tally.add(sighted)
        tally.add(deleted)
        versions = [*sighted.versions, *deleted.versions]
        return Made(versions, sighted.refreshes, sighted.respelled, sighted.drift, tally.counters(listing, verdict))

    def only_version(self, *records: dict[str, Any] | Record, at: datetime | None = None) -> Version:
        """Sync, and return the one version that this makes."""
        plan = self.sync(*records, at=at)
        assert len(plan.versions) == 1, plan.versions
        return plan.versions[0]

    def _append(self, version: Version) -> None:
        row = version.row
        self.versions.append(version)
        stored = Stored(
            row.cadence_id,
            version.number,
            version.kind is Kind.DELETED,
            version.valid_from,
            json.dumps(to_document(row.config)),
            "{}",
            json.dumps(row.extra),
            {label: row.labels.get(label) for label in LABELS},
        )
        self.known[row.cadence_id] = known_of(stored)
        if row.digest is None:
            del self.digests[row.cadence_id]
        else:
            self.digests[row.cadence_id] = row.digest

    def _refresh(self, refresh: Refresh) -> None:
        row, before = refresh.row, self.known[refresh.row.cadence_id]
        assert row.digest is not None
        labels = {label: row.labels.get(label) for label in LABELS}
        config = before.config | refresh.learnt
        self.known[row.cadence_id] = Known(
            row.cadence_id, before.version, before.deleted, before.valid_from, config, labels, row.extra
        )
        self.digests[row.cadence_id] = row.digest
