"""What the story of a sync needs from the outside, as Protocols; `wiring` names who provides it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cadence_sync.core.deletions import DeletionPlan, PendingDeletions
from cadence_sync.core.diff import Plan, PriorState
from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import StoredCadence
from cadence_sync.core.report import Counters, ErrorInfo, Outcome

ProgressCallback = Callable[[int, int], None]
"""Called as pages arrive: pages so far, pages expected."""


@dataclass(frozen=True, slots=True)
class Org:
    """An organization as it is configured, without its credentials."""

    org_id: str
    data_center: str
    stored: bool = False
    """Whether its credentials come from the database: then it is there, or it was removed."""


@dataclass(frozen=True, slots=True)
class PagingHint:
    """Paging parameters remembered from the previous listing; never data."""

    pages: int = 1
    rejected_page_size: int | None = None
    allowance: int | None = None
    """How many calls the listing may make; None for as many as it needs."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun; `fence` is what it must find unmoved when it writes."""

    run_id: int
    org_id: str
    started_at: datetime
    fence: int
    last_listed_at: datetime | None
    paging: PagingHint
    has_pending_deletions: bool = False
    """Whether missing cadences await a decision, or were decided about."""
    had_unreadable_ids: bool = False
    """Whether the last listing held a record whose id was unreadable."""
    redacted: frozenset[str] = frozenset()
    """Users whose names are not to be stored."""
    may_refresh_digests: bool = True
    """Whether digests of records that changed only in encoding may be refreshed: once a day, in case every listing
    changes them."""


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """Requests to the API host, retries included, pages read, and what Zoho last said of the credits left."""

    api_calls: int = 0
    pages: int = 0
    credits_left: int | None = None


class Clock(Protocol):
    """Where the time comes from, so that tests may set it."""

    def now(self) -> datetime:
        """Return the present in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from some fixed point, for durations."""
        ...


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, the host that it is good for, and when it ends."""

    value: str = field(repr=False)
    api_url: str
    expires_at: datetime


@dataclass(slots=True)
class TokenSlot:
    """The right to refresh, held by one process at a time."""

    token: AccessToken | None = None
    """The stored token, perhaps another process's, or the one to store."""
    issued_at: tuple[datetime, ...] = ()
    """Times of recent refreshes."""

    def keep(self, token: AccessToken, issued_at: datetime) -> None:
        """Stores this token when the slot is left."""
        self.token = token
        self.count(issued_at)

    def count(self, asked_at: datetime) -> None:
        """Records a request for a token, whether or not one arrived."""
        self.issued_at = (*self.issued_at, asked_at)


class TokenCache(Protocol):
    """Where access tokens outlive a process and are shared by all."""

    async def load(self) -> AccessToken | None:
        """Return the token that is stored."""
        ...

    def refreshing(self) -> AbstractAsyncContextManager[TokenSlot]:
        """Hold the right to refresh."""
        ...

    async def drop(self) -> None:
        """Forget the token."""
        ...


class CadenceSource(Protocol):
    """One organization's cadences, as Zoho lists them now."""

    async def fetch_listing(
        self, hint: PagingHint, index: DigestIndex, on_progress: ProgressCallback | None = None
    ) -> Listing:
        """Return a complete, self-consistent listing beside what is stored; raises `CadenceSyncError`."""
        ...

    async def confirm(
        self, listing: Listing, absent: Collection[str], hint: PagingHint, index: DigestIndex
    ) -> tuple[Listing, frozenset[str]]:
        """Look a second time for cadences that a listing lacks: lists move while they are paged.

        Returns the listing to go by, which may be a newer one, and those that are surely gone.
        """
        ...

    @property
    def usage(self) -> ApiUsage:
        """What this source has asked so far."""
        ...


class CadenceReader(Protocol):
    """What the rules must know of single cadences."""

    async def load_stored(self, cadence_ids: Collection[str]) -> Mapping[str, StoredCadence]:
        """Return the stored state of those of these cadences that exist."""
        ...

    async def load_prior_state(self, new_ids: Collection[str]) -> PriorState:
        """Return what earlier runs say of ids that the store does not know."""
        ...


class CadenceWriter(CadenceReader, Protocol):
    """The transaction in which a run writes; it commits when the run is closed and not before."""

    def prepare(self, plan: Plan) -> Callable[[], Awaitable[None]]:
        """Make the rows of a plan, in any thread, and return what writes them; a run may have many."""
        ...

    async def finish(
        self, outcome: Outcome, counters: Counters, deletions: DeletionPlan, usage: ApiUsage, finished_at: datetime
    ) -> None:
        """Close the run in the ledger, and note which deletions are held."""
        ...


class Store(Protocol):
    """The history, and the ledger of runs."""

    async def begin(self, org: Org, trigger: str, started_at: datetime) -> Run:
        """Open a run in the ledger, closing those whose processes are gone."""
        ...

    async def preview(self, org: Org, started_at: datetime) -> Run:
        """Return what `begin` would, as run 0, and write nothing."""
        ...

    async def load_digests(self, org_id: str) -> DigestIndex:
        """Return the digests of all live cadences."""
        ...

    async def knows_any(self, org_id: str, cadence_ids: Iterable[str]) -> bool:
        """Whether any of these cadences is stored, live or deleted."""
        ...

    async def load_pending_deletions(self, run: Run) -> PendingDeletions:
        """Return what is known of missing cadences from earlier runs, and how many were deleted today."""
        ...

    def reading(self, run: Run) -> AbstractAsyncContextManager[CadenceReader]:
        """Read what a run must know, and write nothing."""
        ...

    def writing(self, run: Run, listing: Listing) -> AbstractAsyncContextManager[CadenceWriter]:
        """Write a run in one transaction; raises `OrgBusyError` if the fence moved."""
        ...

    async def finish_unchanged(
        self, run: Run, listing: Listing, counters: Counters, usage: ApiUsage, finished_at: datetime
    ) -> None:
        """Close a run that has nothing else to write; raises `OrgBusyError` if the fence moved."""
        ...

    async def fail(self, run: Run, problem: ErrorInfo, usage: ApiUsage, finished_at: datetime) -> None:
        """Close a run that applied nothing."""
        ...
