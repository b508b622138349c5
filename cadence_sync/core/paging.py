"""A walk over the pages of a list, without I/O: what to ask next, and whether the answers fit together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from cadence_sync.core.model import Page, Quarantined, Sighting
from cadence_sync.errors import InconsistentListing

Record: TypeAlias = Sighting | Quarantined


@dataclass(slots=True)
class Walk:
    """One walk: ask `wanted()`, give every answer to `receive()`, and read `records()` when none is wanted.

    Page 1 is asked alone, so that a refusal costs one call. Then `expected_pages`, the page count of the
    last walk, lets the others be asked side by side; past it one page is asked at a time, so that no call
    is wasted.
    """

    expected_pages: int = 1
    _pages: dict[int, Page] = field(default_factory=dict)
    _contents: set[int] = field(default_factory=set)
    _asked: int = 0
    _ended: bool = False

    def wanted(self) -> list[int]:
        """Return the numbers of the pages to ask for now; call it when every asked page has arrived."""
        if self._ended:
            return []
        first = self._asked + 1
        self._asked = 1 if first == 1 else max(self.expected_pages, first)
        return list(range(first, self._asked + 1))

    def receive(self, number: int, page: Page) -> None:
        """Take the answer for one page; raises `InconsistentListing` where it cannot belong to the list."""
        _check_page(number, page)
        self._check_repeat(number, page)
        self._pages[number] = page
        self._ended = self._ended or not _promises_more(page)

    @property
    def pages(self) -> int:
        """How many pages the list has: up to the first that promises no more."""
        return next((n for n in sorted(self._pages) if not _promises_more(self._pages[n])), 0)

    def records(self) -> list[Record]:
        """Return the records of the whole list in the order of its pages, each id once."""
        last = self.pages
        self._check_end(last)
        sizes = {page.info.per_page for page in self._pages.values() if page.info and page.records}
        if len(sizes) > 1:
            raise InconsistentListing("The pages of one listing differ in their size.")
        return _distinct(record for number in range(1, last + 1) for record in self._pages[number].records)

    def _check_end(self, last: int) -> None:
        if last == 0 or any(number not in self._pages for number in range(1, last)):
            raise InconsistentListing("The listing was left before its last page.")
        if last > 1 and not self._pages[last].records:
            raise InconsistentListing(f"Page {last - 1} promised more records, but page {last} is empty.")
        for number, page in self._pages.items():
            if number > last and page.records:
                raise InconsistentListing(f"Page {last} called itself the last, but page {number} has records.")

    def _check_repeat(self, number: int, page: Page) -> None:
        """Notice a server that sends the same records for ever under ever new page numbers."""
        if not page.records:
            return
        content = hash(tuple(record.raw for record in page.records))
        if content in self._contents:
            raise InconsistentListing(f"Page {number} repeats the records of an earlier page.")
        self._contents.add(content)


def _promises_more(page: Page) -> bool:
    return page.info is not None and page.info.more_records


def _check_page(number: int, page: Page) -> None:
    info = page.info
    if info is None:
        return
    if info.page != number:
        raise InconsistentListing(f"Page {number} was asked for and page {info.page} came.")
    if info.count != len(page.records):
        raise InconsistentListing(f"Page {number} says it holds {info.count} records and holds {len(page.records)}.")
    if info.more_records and not page.records:
        raise InconsistentListing(f"Page {number} is empty and promises more records.")


def _distinct(records: Iterable[Record]) -> list[Record]:
    """Return each id once; the same id with other content means that the list moved while it was read."""
    by_id: dict[str, Record] = {}
    anonymous: list[Record] = []
    for record in records:
        if record.cadence_id is None:
            anonymous.append(record)
        elif not _same(by_id.setdefault(record.cadence_id, record), record):
            raise InconsistentListing(f"Cadence {record.cadence_id} came twice with different content.")
    return [*by_id.values(), *anonymous]


def _same(one: Record, other: Record) -> bool:
    if isinstance(one, Sighting) and isinstance(other, Sighting):
        return one.digest == other.digest
    return one.raw == other.raw
