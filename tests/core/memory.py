"""A store in memory: it keeps what a plan says and gives it to the next one, as the real store does."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from cadence_sync.core.decode import decode_record
from cadence_sync.core.diff import Kind, Past, Plan, Refresh, Version, differing, make_plan, missing
from cadence_sync.core.document import from_document, to_document
from cadence_sync.core.fields import LABELS
from cadence_sync.core.guard import Verdict
from cadence_sync.core.model import Known, Listing, Quarantined, Sighting, Stored

Record: TypeAlias = Sighting | Quarantined

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def sighting(source: dict[str, Any]) -> Sighting:
    decoded = decode_record(json.dumps(source).encode())
    assert isinstance(decoded, Sighting), decoded
    return decoded


def listing_of(records: Iterable[Record], at: datetime = START) -> Listing:
    """Return what a walk hands over for records of distinct ids."""
    found = list(records)
    sightings = {r.cadence_id: r for r in found if isinstance(r, Sighting)}
    return Listing(at, sightings, tuple(r for r in found if isinstance(r, Quarantined)), pages=1)


@dataclass
class Memory:
    """One organisation; the first sync is at `START`, each other an hour after the one before."""

    known: dict[str, Known] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)
    last_walk: datetime | None = None
    hid_ids: bool = False

    @property
    def now(self) -> datetime:
        """When the next sync begins, unless told."""
        return START if self.last_walk is None else self.last_walk + HOUR

    def sync(self, *records: dict[str, Any] | Record, at: datetime | None = None) -> Plan:
        decoded = (sighting(r) if isinstance(r, dict) else r for r in records)
        listing = listing_of(decoded, at or self.now)
        plan = self.plan(listing)
        for version in plan.versions:
            self._append(version)
        for refresh in plan.refreshes:
            self._refresh(refresh)
        self.last_walk, self.hid_ids = listing.started_at, listing.hides_ids
        self.quarantined |= listing.quarantined_ids
        return plan

    def plan(self, listing: Listing) -> Plan:
        stored = Stored(self.digests)
        past = Past(self.last_walk, frozenset(self.quarantined), self.hid_ids)
        return make_plan(
            listing, differing(listing, stored), Verdict(tuple(missing(listing, stored))), self.known, past
        )

    def only_version(self, *records: dict[str, Any] | Record, at: datetime | None = None) -> Version:
        """Sync, and return the one version that this makes."""
        plan = self.sync(*records, at=at)
        assert len(plan.versions) == 1, plan.versions
        return plan.versions[0]

    def _append(self, version: Version) -> None:
        row = version.row
        document = json.loads(json.dumps(to_document(row.config)))
        self.versions.append(version)
        self.known[row.cadence_id] = Known(
            row.cadence_id,
            version.number,
            version.kind is Kind.DELETED,
            version.valid_from,
            from_document(document),
            {label: row.labels.get(label) for label in LABELS},
            row.extra,
        )
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
