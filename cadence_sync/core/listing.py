"""A complete listing compared with the stored digests, and the paginator that builds it from pages, without I/O."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final

from cadence_sync.core.canonical import changed_fields
from cadence_sync.core.digest_index import DigestIndex, IdHashSet, SeenSet
from cadence_sync.core.records import Page, PageInfo, QuarantinedRecord, Record, RecordSpool
from cadence_sync.errors import InconsistentListingError


@dataclass(frozen=True, slots=True)
class Listing:
    started_at: datetime
    changed: RecordSpool
    """Records that are new, restored, or not byte for byte what was last written; each id once."""
    changed_ids: IdHashSet
    unchanged: SeenSet
    quarantined: tuple[QuarantinedRecord, ...] = ()
    """Each id once."""
    pages: int = 0
    rejected_page_size: int | None = None

    @property
    def quarantined_ids(self) -> frozenset[str]:
        return frozenset(q.cadence_id for q in self.quarantined if q.cadence_id is not None)

    @property
    def has_unreadable_ids(self) -> bool:
        return any(q.cadence_id is None for q in self.quarantined)

    @property
    def seen(self) -> int:
        """Number of distinct ids, and of records whose ids are unreadable."""
        return len(self.changed) + len(self.unchanged) + len(self.quarantined)

    @property
    def is_unchanged(self) -> bool:
        return not self.changed and not self.quarantined

    def missing(self) -> list[str]:
        """Returns the live ids that the listing lacks; none while an unreadable id may be one of them."""
        if self.has_unreadable_ids:
            return []
        quarantined = self.quarantined_ids
        return [i for i in self.changed_ids.lacking(self.unchanged.others) if i not in quarantined]


_EMPTY: Final = PageInfo(page=0, per_page=0, count=0, more_records=False)
"""Stands for the info of an empty 204 answer, which has none."""


class Paginator:
    """Builds one listing: fetch `next_pages()`, pass each to `add_page()`, and take `listing()` when none are left.

    The pages of the last listing, `expected_pages`, are fetched in parallel; after them one page at a time, so that
    no call is wasted. `open_file` is for `RecordSpool`.
    """

    def __init__(self, index: DigestIndex, open_file: Callable[[], IO[bytes]], expected_pages: int = 1) -> None:
        self._expected_pages = expected_pages
        self._pages: dict[int, PageInfo] = {}
        self._contents: set[int] = set()
        self._requested = 0
        self._ended = False
        self._unchanged = SeenSet(index)
        self._changed = RecordSpool(open_file)
        self._changed_ids = IdHashSet()
        self._quarantined: list[QuarantinedRecord] = []

    def next_pages(self) -> list[int]:
        """Returns the numbers of the pages to fetch now; call it when the previous ones have arrived."""
        if self._ended:
            return []
        first = self._requested + 1
        self._requested = max(self._expected_pages, first)
        return list(range(first, self._requested + 1))

    def add_page(self, number: int, page: Page) -> None:
        """Raises `InconsistentListingError` where the page cannot belong to the list."""
        _check_page(number, page)
        self._check_repeat(number, page)
        info = self._pages[number] = page.info or _EMPTY
        self._ended = self._ended or not info.more_records
        self._unchanged.add(page.unchanged)
        for record in page.records:
            if isinstance(record, Record):
                self._changed.add(record)
                self._changed_ids.add(record.cadence_id)
            else:
                self._quarantined.append(record)

    def listing(self, started_at: datetime, rejected_page_size: int | None = None) -> Listing:
        """Returns the whole list, each id once; raises `InconsistentListingError` where pages contradict each other."""
        last = next((number for number in sorted(self._pages) if not self._pages[number].more_records), 0)
        self._check_end(last)
        sizes = {info.per_page for info in self._pages.values() if info.count}
        if len(sizes) > 1:
            raise InconsistentListingError("The pages of one listing differ in their size.")
        self._check_repeated_ids()
        records = (self._changed, self._changed_ids, self._unchanged, tuple(self._quarantined))
        return Listing(started_at, *records, last, rejected_page_size)

    def _check_end(self, last: int) -> None:
        if last == 0 or any(number not in self._pages for number in range(1, last)):
            raise InconsistentListingError("The listing was left before its last page.")
        if last > 1 and not self._pages[last].count:
            raise InconsistentListingError(f"Page {last - 1} promised more records, but page {last} is empty.")
        for number, info in self._pages.items():
            if number > last and info.count:
                raise InconsistentListingError(f"Page {last} called itself the last, but page {number} has records.")

    def _check_repeat(self, number: int, page: Page) -> None:
        """Detects a server that repeats the same records under new page numbers without end."""
        if not len(page):
            return
        content = hash((page.unchanged, tuple(record.raw for record in page.records)))
        if content in self._contents:
            raise InconsistentListingError(f"Page {number} repeats the records of an earlier page.")
        self._contents.add(content)

    def _check_repeated_ids(self) -> None:
        """Drops a repeated id with equal content; with other content, the list moved while it was read."""
        self._quarantined = _distinct(self._quarantined)
        unreadable = {record.cadence_id for record in self._quarantined}
        if unreadable and (both := next((i for i in self._unchanged.found() if i in unreadable), None)):
            raise _moved(both)
        if suspects := self._changed_ids.repeated(self._other_ids):
            self._keep_once(suspects)

    def _other_ids(self) -> Iterator[str]:
        yield from (record.cadence_id for record in self._quarantined if record.cadence_id is not None)
        yield from self._unchanged.found()

    def _keep_once(self, suspects: set[int]) -> None:
        others = {cadence_id for cadence_id in self._other_ids() if hash(cadence_id) in suspects}
        first: dict[str, Record] = {}
        repeats = 0
        for record in self._changed:
            if hash(record.cadence_id) not in suspects:
                continue
            if record.cadence_id in others:
                raise _moved(record.cadence_id)
            repeats += record.cadence_id in first
            if not _is_equivalent(first.setdefault(record.cadence_id, record), record):
                raise _moved(record.cadence_id)
        self._changed.keep_once(first, repeats)


def _check_page(number: int, page: Page) -> None:
    info = page.info
    if info is None:
        return
    if info.page != number:
        raise InconsistentListingError(f"Page {number} was asked for and page {info.page} came.")
    if info.count != len(page):
        raise InconsistentListingError(f"Page {number} says it holds {info.count} records and holds {len(page)}.")
    if info.more_records and not len(page):
        raise InconsistentListingError(f"Page {number} is empty and promises more records.")


def _distinct(records: Iterable[QuarantinedRecord]) -> list[QuarantinedRecord]:
    by_id: dict[str, QuarantinedRecord] = {}
    anonymous: list[QuarantinedRecord] = []
    for record in records:
        if record.cadence_id is None:
            anonymous.append(record)
        elif by_id.setdefault(record.cadence_id, record).raw != record.raw:
            raise _moved(record.cadence_id)
    return [*by_id.values(), *anonymous]


def _is_equivalent(one: Record, other: Record) -> bool:
    return (
        one.config.keys() == other.config.keys()
        and not changed_fields(one.config, other.config)
        and (one.labels, one.extra) == (other.labels, other.extra)
    )


def _moved(cadence_id: str) -> InconsistentListingError:
    return InconsistentListingError(f"Cadence {cadence_id} came twice with different content.")
