"""What the story of a sync needs from the outside, as Protocols; `wiring` names who provides it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from cadence_sync.core.diff import Past, Plan
from cadence_sync.core.guard import Docket, Verdict
from cadence_sync.core.index import Index
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Stored
from cadence_sync.core.report import Counters, Outcome, Problem

OnPage = Callable[[int, int], None]
"""Called as pages arrive: pages so far, pages expected."""


UNKNOWN_ORG: Final = "UNKNOWN_ORG"
"""The code of what is said of an organization that is not, or no longer, there."""


@dataclass(frozen=True, slots=True)
class Org:
    """An organization as it is configured, without its credentials."""

    org_id: str
    data_center: str
    stored: bool = False
    """Whether its credentials come from the database: then it is there, or it was removed."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What the last walk taught about walking this organization: how to ask it, never what it holds."""

    pages: int = 1
    rejected_page_size: int | None = None
    allowance: int | None = None
    """How many calls the walk may make; None for as many as it needs."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun; `fence` is what it must find unmoved when it writes."""

    run_id: int
    org_id: str
    started_at: datetime
    fence: int
    last_walk: datetime | None
    hint: Hint
    has_docket: bool = False
    """Whether missing cadences await a decision, or were decided about."""
    had_unreadable_ids: bool = False
    """Whether the last walk held a record whose id was unreadable."""
    redacted: frozenset[str] = frozenset()
    """Users whose names are not to be stored."""
    may_respell: bool = True
    """Whether cadences that are only spelled anew may be written: once a day, in case every walk spells them anew."""


@dataclass(frozen=True, slots=True)
class Traffic:
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


class TokenSlot(Protocol):
    """The right to refresh, held by one process at a time."""

    token: AccessToken | None
    """What is stored, perhaps by another process meanwhile."""
    issued_at: tuple[datetime, ...]
    """When tokens were made lately."""

    def keep(self, token: AccessToken, made_at: datetime) -> None:
        """Store this token when the slot is left."""
        ...

    def count(self, asked_at: datetime) -> None:
        """Remember that a token was asked for, whether or not one arrived."""
        ...


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

    async def walk(self, hint: Hint, index: Index, on_page: OnPage | None = None) -> Listing:
        """Return a complete, self-consistent listing beside what is stored; raises `CadenceSyncError`."""
        ...

    async def confirm(
        self, listing: Listing, absent: Collection[str], hint: Hint, index: Index
    ) -> tuple[Listing, frozenset[str]]:
        """Look a second time for cadences that a listing lacks: lists move while they are paged.

        Returns the listing to go by, which may be a newer one, and those that are surely gone.
        """
        ...

    @property
    def traffic(self) -> Traffic:
        """What this source has asked so far."""
        ...


class Reader(Protocol):
    """What the rules must know of single cadences."""

    async def stored(self, cadence_ids: Collection[str]) -> Mapping[str, Stored]:
        """Return the stored state of those of these cadences that exist."""
        ...

    async def past(self, new_ids: Collection[str]) -> Past:
        """Return what earlier runs say of ids that the store does not know."""
        ...


class Writer(Reader, Protocol):
    """The transaction in which a run writes; it commits when the run is closed and not before."""

    def writing(self, plan: Plan) -> Callable[[], Awaitable[None]]:
        """Make the rows of a plan, in any thread, and return what writes them; a run may have many."""
        ...

    async def close(
        self, outcome: Outcome, counters: Counters, verdict: Verdict, traffic: Traffic, finished_at: datetime
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

    async def index(self, org_id: str) -> Index:
        """Return the digests of all live cadences."""
        ...

    async def knows_any(self, org_id: str, cadence_ids: Iterable[str]) -> bool:
        """Whether any of these cadences is stored, live or deleted."""
        ...

    async def docket(self, run: Run) -> Docket:
        """Return what is known of missing cadences from earlier runs, and how many were retired today."""
        ...

    def reading(self, run: Run) -> AbstractAsyncContextManager[Reader]:
        """Read what a run must know, and write nothing."""
        ...

    def writing(self, run: Run, listing: Listing) -> AbstractAsyncContextManager[Writer]:
        """Write a run in one transaction; raises `OrgBusyError` if the fence moved."""
        ...

    async def settle(
        self, run: Run, listing: Listing, counters: Counters, traffic: Traffic, finished_at: datetime
    ) -> None:
        """Close a run that has nothing else to write; raises `OrgBusyError` if the fence moved."""
        ...

    async def fail(self, run: Run, problem: Problem, traffic: Traffic, finished_at: datetime) -> None:
        """Close a run that applied nothing."""
        ...
