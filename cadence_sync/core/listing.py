"""A complete listing beside what is stored: what is new, what came as it was, what is missing."""

from dataclasses import dataclass
from datetime import datetime

from cadence_sync.core.digest_index import IdHashSet, SeenSet
from cadence_sync.core.records import QuarantinedRecord, RecordSpool


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete, self-consistent listing of an organization's cadences."""

    started_at: datetime
    changed: RecordSpool
    """What is new, restored, or not byte for byte what was last written; each id once."""
    changed_ids: IdHashSet
    unchanged: SeenSet
    """Which live cadences came as they were last written."""
    quarantined: tuple[QuarantinedRecord, ...] = ()
    pages: int = 0
    rejected_page_size: int | None = None

    @property
    def quarantined_ids(self) -> frozenset[str]:
        """Ids that are there although their records are unreadable."""
        return frozenset(q.cadence_id for q in self.quarantined if q.cadence_id is not None)

    @property
    def hides_ids(self) -> bool:
        """Whether some record's id is unreadable, so that nobody can be called missing."""
        return any(q.cadence_id is None for q in self.quarantined)

    @property
    def seen(self) -> int:
        """Distinct ids, and records whose ids are unreadable."""
        return len(self.changed) + len(self.unchanged) + self.unreadable

    @property
    def unreadable(self) -> int:
        """Distinct ids in quarantine, and records whose ids are unreadable."""
        return len(self.quarantined_ids) + sum(q.cadence_id is None for q in self.quarantined)

    @property
    def is_unchanged(self) -> bool:
        """Whether every record is one that is stored."""
        return not self.changed and not self.quarantined

    def missing(self) -> list[str]:
        """Return live ids that the listing lacks; none while an unreadable id may be one of them."""
        if self.hides_ids:
            return []
        there = self.quarantined_ids
        return [i for i in self.changed_ids.lacking(self.unchanged.others) if i not in there]
