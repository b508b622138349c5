"""A complete listing compared with the stored digests: what changed, what is unchanged, what is missing."""

from dataclasses import dataclass
from datetime import datetime

from cadence_sync.core.digest_index import IdHashSet, SeenSet
from cadence_sync.core.records import QuarantinedRecord, RecordSpool


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete, self-consistent listing of an organization's cadences."""

    started_at: datetime
    changed: RecordSpool
    """Records that are new, restored, or not byte for byte what was last written; each id once."""
    changed_ids: IdHashSet
    unchanged: SeenSet
    quarantined: tuple[QuarantinedRecord, ...] = ()
    pages: int = 0
    rejected_page_size: int | None = None

    @property
    def quarantined_ids(self) -> frozenset[str]:
        return frozenset(q.cadence_id for q in self.quarantined if q.cadence_id is not None)

    @property
    def has_unreadable_ids(self) -> bool:
        return any(q.cadence_id is None for q in self.quarantined)

    @property
    def seen(self) -> int:
        """Number of distinct ids, and of records whose ids are unreadable."""
        return len(self.changed) + len(self.unchanged) + self.unreadable

    @property
    def unreadable(self) -> int:
        """Number of distinct ids in quarantine, and of records whose ids are unreadable."""
        return len(self.quarantined_ids) + sum(q.cadence_id is None for q in self.quarantined)

    @property
    def is_unchanged(self) -> bool:
        return not self.changed and not self.quarantined

    def missing(self) -> list[str]:
        """Returns the live ids that the listing lacks; none while an unreadable id may be one of them."""
        if self.has_unreadable_ids:
            return []
        quarantined = self.quarantined_ids
        return [i for i in self.changed_ids.lacking(self.unchanged.others) if i not in quarantined]
