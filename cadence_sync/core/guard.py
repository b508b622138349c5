"""The brake on deletions, and the check that a listing is of the organization that the store knows.

Retiring cadences is the one thing that a wrong listing could do at a stroke to a whole history. So more than a
share of them in a rolling day waits for a person, whatever the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cadence_sync.core.index import Index
from cadence_sync.core.listing import Listing
from cadence_sync.errors import AccessError

PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Brake:
    """At most `floor` cadences, or `percent` of the live ones if that is more, are retired unasked in a day."""

    floor: int = 5
    percent: float = 20

    def limit(self, live: int) -> int:
        """Return how many may be retired unasked in a rolling day while so many are live."""
        return max(self.floor, int(live * self.percent / PERCENT))


@dataclass(frozen=True, slots=True)
class Docket:
    """What is known of missing cadences from before this run."""

    held: frozenset[str] = frozenset()
    """Held by an earlier run, and nobody has decided yet."""
    approved: frozenset[str] = frozenset()
    case: int | None = None
    """The run that first held exactly these; a person decides about a case."""
    rejected: frozenset[str] = frozenset()
    """Missing, and a person said that they stay live."""
    retired_today: int = 0
    """Retired unasked within the last day."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the missing: `retire` now, `hold` until somebody decides, `keep` as somebody decided."""

    retire: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    case: int | None = None
    """The open case, where exactly those are held that were before."""
    unasked: int = 0
    """How many of those to retire count against the day's limit."""


def judge(missing: Iterable[str], live: int, docket: Docket, brake: Brake, *, allow_all: bool = False) -> Verdict:
    """Decide about confirmed missing cadences; `live` counts them too, as this run found the store."""
    gone = set(missing)
    if allow_all:
        return Verdict(retire=tuple(sorted(gone)))
    approved, waiting, rejected = gone & docket.approved, gone & docket.held, gone & docket.rejected
    fresh = gone - approved - waiting - rejected
    if len(waiting) + len(fresh) + docket.retired_today > brake.limit(live):
        waiting, fresh = waiting | fresh, set()
    return Verdict(
        retire=tuple(sorted(approved | fresh)),
        hold=tuple(sorted(waiting)),
        keep=tuple(sorted(rejected)),
        case=docket.case if waiting == docket.held else None,
        unasked=len(fresh),
    )


def unconfirmed(missing: Iterable[str], docket: Docket) -> list[str]:
    """Return the missing that a second look must confirm: those whose case is not yet known to be open."""
    return sorted(set(missing) - docket.held - docket.rejected)


def other_org() -> AccessError:
    """Return the error of a listing that shares no id with a store that has some: it is of another organization."""
    return AccessError(
        "Zoho lists none of the cadences that are stored for this organization.",
        hint="The credentials are probably another organization's; if not, sync once with --allow-other-org.",
        code="WRONG_ORG",
    )


def may_be_other_org(listing: Listing, index: Index) -> bool:
    """Whether a listing that is not empty shows nothing as it is stored, though something is stored."""
    stored = len(index) + index.deleted
    return bool(stored and listing.seen and not len(listing.unchanged) and not listing.hides_ids)
