"""The delete threshold, and the check that a listing is of the organization that the store knows.

Deleting cadences is the one thing that a wrong listing could do at a stroke to a whole history. So more than a
share of them in a rolling day waits for a person, whatever the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing
from cadence_sync.errors import AccessError

PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class DeletionThreshold:
    """At most `count` cadences, or `percent` of the live ones if that is more, are deleted unasked in a day."""

    count: int = 5
    percent: float = 20

    def limit(self, live: int) -> int:
        """Return how many may be deleted unasked in a rolling day while so many are live."""
        return max(self.count, int(live * self.percent / PERCENT))


@dataclass(frozen=True, slots=True)
class PendingDeletions:
    """What is known of missing cadences from before this run."""

    held: frozenset[str] = frozenset()
    """Held by an earlier run, and nobody has decided yet."""
    approved: frozenset[str] = frozenset()
    hold_id: int | None = None
    """The run that first held exactly these; a person decides about a case."""
    rejected: frozenset[str] = frozenset()
    """Missing, and a person said that they stay live."""
    auto_deleted_today: int = 0
    """Deleted unasked within the last day."""


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """What becomes of the missing: `delete` now, `hold` until somebody decides, `keep` as somebody decided."""

    delete: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    hold_id: int | None = None
    """The open case, where exactly those are held that were before."""
    auto_deleted: int = 0
    """How many of those to delete count against the day's limit."""

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
    """Decide about confirmed missing cadences; `live` counts them too, as this run found the store."""
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
    """Return the missing that a second look must confirm: those whose case is not yet known to be open."""
    return sorted(set(missing) - pending.held - pending.rejected)


def other_org_error() -> AccessError:
    """Return the error of a listing that shares no id with a store that has some: it is of another organization."""
    return AccessError(
        "Zoho lists none of the cadences that are stored for this organization.",
        hint="The credentials are probably another organization's; if not, sync once with --allow-other-org.",
        code="WRONG_ORG",
    )


def may_be_other_org(listing: Listing, index: DigestIndex) -> bool:
    """Whether a listing that is not empty shows nothing as it is stored, though something is stored."""
    stored = len(index) + index.deleted
    return bool(stored and listing.seen and not len(listing.unchanged) and not listing.hides_ids)
