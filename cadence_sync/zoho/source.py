"""Zoho as a source of listings: walks the pages, some side by side, and hands over one checked listing."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from tempfile import TemporaryFile
from typing import Final

from cadence_sync.core.index import Index
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Page
from cadence_sync.core.paging import Walk
from cadence_sync.errors import BadAnswer, InconsistentListing, RetryLater
from cadence_sync.ports import Clock, Hint, OnPage, Traffic
from cadence_sync.zoho.answers import RefusedRequest
from cadence_sync.zoho.client import Client

LIST_ONLY: Final = "v7"
"""The API version that cannot be asked for one cadence."""
ONE_BY_ONE: Final = 25
"""More missing cadences than this are looked for by another walk, which costs fewer calls."""
WALKS: Final = 3
"""A listing that moves while it is read is read again, this often in all."""


@dataclass(slots=True)
class ZohoSource:
    """One organization's cadences. `concurrency` bounds the requests under way at once."""

    client: Client
    clock: Clock
    per_page: int
    concurrency: int
    timeout: float
    """Seconds for a whole walk, with all that is asked again."""
    _pages: int = 0

    @property
    def traffic(self) -> Traffic:
        """What this source has asked so far."""
        return Traffic(self.client.calls, self._pages, self.client.credits_left)

    async def walk(self, hint: Hint, index: Index, on_page: OnPage | None = None) -> Listing:
        """Return a complete, self-consistent listing; one that contradicts itself is walked again."""
        self.client.allowance = hint.allowance
        try:
            async with asyncio.timeout(self.timeout):
                for _ in range(WALKS - 1):
                    try:
                        return await self._walk_once(hint, index, on_page)
                    except InconsistentListing:
                        hint = replace(hint, pages=1)
                    except (BadAnswer, RetryLater) as error:
                        # A list that shrank may answer anything to pages that it no longer has, and one that
                        # is asked for a page size that it has no longer may refuse them all.
                        refused = isinstance(error, RefusedRequest)
                        if hint.pages <= 1 or not (refused or self._pages):
                            raise
                        hint = replace(hint, pages=1)
                return await self._walk_once(hint, index, on_page)
        except TimeoutError as error:
            raise RetryLater(
                f"The walk took longer than {self.timeout:g} seconds.",
                hint="Raise CADENCE_SYNC_ZOHO_LISTING_TIMEOUT if the organization is that large.",
                code="LISTING_TIMEOUT",
            ) from error

    async def confirm(
        self, listing: Listing, absent: Collection[str], hint: Hint, index: Index
    ) -> tuple[Listing, frozenset[str]]:
        """Ask for each by its id where the API can (v8), else walk the list again."""
        if self.client.version != LIST_ONLY and len(absent) <= ONE_BY_ONE:
            there = [cadence_id for cadence_id in absent if await self.client.exists(cadence_id)]
            return listing, frozenset(absent).difference(there)
        newer = replace(hint, pages=max(hint.pages, listing.pages), rejected_page_size=listing.rejected_page_size)
        second = await self.walk(newer, index)
        return second, frozenset(absent).intersection(second.missing())

    async def _walk_once(self, hint: Hint, index: Index, on_page: OnPage | None) -> Listing:
        started_at = self.clock.now()
        walk = Walk(index, TemporaryFile, hint.pages)
        per_page = None if hint.rejected_page_size == self.per_page else self.per_page
        tell = partial(self._tell, on_page, hint)
        if hint.pages <= 1:
            first, per_page = await self._first_page(per_page, index)
            (number,) = walk.wanted()
            walk.receive(number, first)
            tell()
        while wanted := walk.wanted():
            await self._fetch(walk, wanted, lambda number: self.client.page(number, per_page, index), tell)
        return walk.listing(started_at, self.per_page if per_page is None else None)

    async def _first_page(self, per_page: int | None, index: Index) -> tuple[Page, int | None]:
        """Ask for page 1; a refused page size is left to the server."""
        try:
            return await self.client.page(1, per_page, index), per_page
        except RefusedRequest:
            if per_page is None:
                raise
            return await self.client.page(1, None, index), None

    async def _fetch(
        self, walk: Walk, numbers: list[int], ask: Callable[[int], Awaitable[Page]], tell: Callable[[], None]
    ) -> None:
        """Fetch pages side by side, within the bound on concurrency."""
        waiting = iter(numbers)

        async def work() -> None:
            for number in waiting:
                walk.receive(number, await ask(number))
                tell()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.concurrency, len(numbers))):
                    group.create_task(work())
        except* Exception as several:  # noqa: BLE001 - re-raised at once, as the first of its group
            raise several.exceptions[0] from None

    def _tell(self, on_page: OnPage | None, hint: Hint) -> None:
        self._pages += 1
        if on_page is not None:
            on_page(self._pages, max(hint.pages, self._pages))
