"""Zoho as a source of listings: fetches the pages, some in parallel, and returns one consistent listing."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from typing import Final

from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing, Paginator
from cadence_sync.core.records import Page
from cadence_sync.errors import InconsistentListingError, InvalidResponseError, TransientError
from cadence_sync.ports import ApiUsage, Clock, PagingHint, ProgressCallback
from cadence_sync.zoho.client import Client
from cadence_sync.zoho.errors import RequestRefusedError

ONE_BY_ONE: Final = 25
"""More missing cadences than this are confirmed by another listing, which costs fewer calls."""
MAX_LISTINGS: Final = 3
"""Attempts at a listing that moves while it is read."""


@dataclass(slots=True)
class ZohoSource:
    """Implements `ports.CadenceSource`; `concurrency` limits the pages fetched at once."""

    client: Client
    clock: Clock
    per_page: int
    concurrency: int
    timeout: float
    """Seconds for a whole listing, with all attempts at it."""
    _pages: int = 0

    @property
    def usage(self) -> ApiUsage:
        return ApiUsage(self.client.http.counter.sent, self._pages, self.client.credits_left)

    async def fetch_listing(
        self, hint: PagingHint, index: DigestIndex, on_progress: ProgressCallback | None = None
    ) -> Listing:
        self.client.allowance = hint.allowance
        try:
            async with asyncio.timeout(self.timeout):
                for _ in range(MAX_LISTINGS - 1):
                    try:
                        return await self._fetch_once(hint, index, on_progress)
                    except InconsistentListingError:
                        hint = replace(hint, pages=1)
                    except (InvalidResponseError, TransientError) as error:
                        # A list that shrank may answer anything for pages that it no longer has, and refuse
                        # them all where it no longer supports the page size.
                        refused = isinstance(error, RequestRefusedError)
                        if hint.pages <= 1 or not (refused or self._pages):
                            raise
                        hint = replace(hint, pages=1)
                return await self._fetch_once(hint, index, on_progress)
        except TimeoutError as error:
            raise TransientError(
                f"The listing took longer than {self.timeout:g} seconds.",
                hint="Raise CADENCE_SYNC_ZOHO_LISTING_TIMEOUT if the organization is that large.",
                code="LISTING_TIMEOUT",
            ) from error

    async def confirm(
        self, listing: Listing, absent: Collection[str], hint: PagingHint, index: DigestIndex
    ) -> tuple[Listing, frozenset[str]]:
        """Requests each by its id where the API can (not v7), else fetches the list again."""
        if self.client.version != "v7" and len(absent) <= ONE_BY_ONE:
            present = [cadence_id for cadence_id in absent if await self.client.exists(cadence_id)]
            return listing, frozenset(absent).difference(present)
        newer = replace(hint, pages=max(hint.pages, listing.pages), rejected_page_size=listing.rejected_page_size)
        second = await self.fetch_listing(newer, index)
        return second, frozenset(absent).intersection(second.missing())

    async def _fetch_once(self, hint: PagingHint, index: DigestIndex, on_progress: ProgressCallback | None) -> Listing:
        started_at = self.clock.now()
        paginator = Paginator(index, TemporaryFile, hint.pages)
        per_page = None if hint.rejected_page_size == self.per_page else self.per_page

        def add(number: int, page: Page) -> None:
            paginator.add_page(number, page)
            self._pages += 1
            if on_progress is not None:
                on_progress(self._pages, max(hint.pages, self._pages))

        async def fetch(number: int) -> None:
            add(number, await self.client.page(number, per_page, index))

        if hint.pages <= 1:
            first, per_page = await self._first_page(per_page, index)
            (number,) = paginator.next_pages()
            add(number, first)
        while wanted := paginator.next_pages():
            await self._fetch_all(wanted, fetch)
        return paginator.listing(started_at, self.per_page if per_page is None else None)

    async def _first_page(self, per_page: int | None, index: DigestIndex) -> tuple[Page, int | None]:
        try:
            return await self.client.page(1, per_page, index), per_page
        except RequestRefusedError:
            if per_page is None:
                raise
            return await self.client.page(1, None, index), None

    async def _fetch_all(self, numbers: list[int], fetch: Callable[[int], Awaitable[None]]) -> None:
        waiting = iter(numbers)

        async def work() -> None:
            for number in waiting:
                await fetch(number)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.concurrency, len(numbers))):
                    group.create_task(work())
        except ExceptionGroup as several:  # not `except*`: Python 3.11.2 wraps what is raised in it
            raise several.exceptions[0] from None
