"""Ports: Protocols that a sync depends on, and the values that cross them. `wiring` supplies the implementations."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing

ProgressCallback = Callable[[int, int], None]
"""Called as pages arrive: pages so far, pages expected."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, as the audit log names them, and where they act."""

    name: str
    source: Literal["web", "cli"] = "cli"


@dataclass(frozen=True, slots=True)
class Org:
    """An organization as it is configured, without its credentials."""

    org_id: str
    data_center: str
    stored: bool = False
    """Whether its credentials come from the database: then it exists there, or was removed."""


@dataclass(frozen=True, slots=True)
class PagingHint:
    """Paging parameters remembered from the previous listing; never data."""

    pages: int = 1
    rejected_page_size: int | None = None
    allowance: int | None = None
    """API calls that the listing may make; None for no limit."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun; it may write only while `fence` has not moved."""

    run_id: int
    org_id: str
    started_at: datetime
    fence: int
    last_listed_at: datetime | None
    paging: PagingHint
    has_pending_deletions: bool = False
    """Whether missing cadences await a review, or were reviewed."""
    had_unreadable_ids: bool = False
    """Whether the last listing held a record whose id was unreadable."""
    redacted: frozenset[str] = frozenset()
    """Users whose names must not be stored."""
    may_refresh_digests: bool = True
    """Whether digests of records that changed only in encoding may be refreshed: once a day, in case every listing
    changes them."""


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """Requests to the API host, retries included, pages read, and the credits left by Zoho's last answer."""

    api_calls: int = 0
    pages: int = 0
    credits_left: int | None = None


class Clock(Protocol):
    """The time, in UTC and as seconds from a fixed point; tests may set it."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


@dataclass(frozen=True, slots=True)
class AccessToken:
    value: str = field(repr=False)
    api_url: str
    expires_at: datetime


@dataclass(slots=True)
class TokenSlot:
    """The right to refresh, held by one process at a time."""

    token: AccessToken | None = None
    """The stored token, perhaps another process's, or the one to store."""
    issued_at: tuple[datetime, ...] = ()

    def keep(self, token: AccessToken, issued_at: datetime) -> None:
        """Stores this token when the slot is left."""
        self.token = token
        self.count(issued_at)

    def count(self, asked_at: datetime) -> None:
        """Records a request for a token, whether or not one arrived."""
        self.issued_at = (*self.issued_at, asked_at)


class TokenCache(Protocol):
    """Access tokens that outlive a process and are shared by all."""

    async def load(self) -> AccessToken | None: ...

    def refreshing(self) -> AbstractAsyncContextManager[TokenSlot]: ...

    async def drop(self) -> None: ...


class CadenceSource(Protocol):
    """One organization's cadences, as Zoho lists them now."""

    async def fetch_listing(
        self, hint: PagingHint, index: DigestIndex, on_progress: ProgressCallback | None = None
    ) -> Listing:
        """Returns a complete, consistent listing, compared with the stored digests; raises `CadenceSyncError`."""

    async def confirm(
        self, listing: Listing, absent: Collection[str], hint: PagingHint, index: DigestIndex
    ) -> tuple[Listing, frozenset[str]]:
        """Checks absent cadences a second time, because lists move while they are paged.

        Returns the listing to apply, which may be a newer one, and the ids that are surely gone.
        """

    @property
    def usage(self) -> ApiUsage: ...
