"""The delete threshold, and the check that a listing belongs to the stored organization.

A wrong listing could end a whole history at once, so deletions above a share of the cadences in a rolling day are
held for review.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing
from cadence_sync.errors import AccessError


@dataclass(frozen=True, slots=True)
class DeletionThreshold:
    """Deletions applied without review in a rolling day: `count`, or `percent` of the live cadences if that is more."""

    count: int = 5
    percent: float = 20

    def limit(self, live: int) -> int:
        return max(self.count, int(live * self.percent / 100))


@dataclass(frozen=True, slots=True)
class PendingDeletions:
    held: frozenset[str] = frozenset()
    approved: frozenset[str] = frozenset()
    hold_id: int | None = None
    """The run that first held exactly these; a review refers to it."""
    rejected: frozenset[str] = frozenset()
    auto_deleted_today: int = 0
    """Number of cadences deleted without review within a day."""


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """The missing cadences: `delete` them now, `hold` them for review, or `keep` them as reviewed."""

    delete: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    hold_id: int | None = None
    """The open hold, where exactly the same cadences are held as before."""
    auto_deleted: int = 0
    """Number of deletions that count against the day's limit."""

    def __bool__(self) -> bool:
        return bool(self.delete or self.hold or self.keep)


def plan_deletions(
    missing: Iterable[str],
    live: int,
    pending: PendingDeletions,
    threshold: DeletionThreshold,
    *,
    allow_all: bool = False,
) -> DeletionPlan:
    """Plans for confirmed missing cadences; `live` is the number stored as live, these included."""
    gone = set(missing)
    if allow_all:
        return DeletionPlan(delete=tuple(sorted(gone)))
    approved, waiting, rejected = gone & pending.approved, gone & pending.held, gone & pending.rejected
    fresh = gone - approved - waiting - rejected
    if len(waiting) + len(fresh) + pending.auto_deleted_today > threshold.limit(live):
        waiting, fresh = waiting | fresh, set()
    return DeletionPlan(
        delete=tuple(sorted(approved | fresh)),
        hold=tuple(sorted(waiting)),
        keep=tuple(sorted(rejected)),
        hold_id=pending.hold_id if waiting == pending.held else None,
        auto_deleted=len(fresh),
    )


def needs_confirmation(missing: Iterable[str], pending: PendingDeletions) -> list[str]:
    return sorted(set(missing) - pending.held - pending.rejected)


def other_org_error() -> AccessError:
    return AccessError(
        "Zoho lists none of the cadences that are stored for this organization.",
        hint="The credentials are probably another organization's; if not, sync once with --allow-other-org.",
        code="WRONG_ORG",
    )


def may_be_other_org(listing: Listing, index: DigestIndex) -> bool:
    """Returns whether a listing with records has none that is unchanged, although cadences are stored."""
    stored = len(index) + index.deleted
    return bool(stored and listing.seen and not len(listing.unchanged) and not listing.has_unreadable_ids)
