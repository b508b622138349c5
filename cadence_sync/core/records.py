"""What the rules talk about: a cadence as a listing showed it and as it is stored, and a page of a listing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final, TypeAlias
from weakref import finalize

import msgspec

from cadence_sync.errors import SpoolError

FieldValue: TypeAlias = str | int | bool | list[object] | None
Config: TypeAlias = dict[str, FieldValue]
"""Leaf path → value. A path that is missing was never sent; `None` was sent as null or as "".

Instants are ISO 8601 strings in UTC, days are `YYYY-MM-DD`: both compare and serialize as they stand.
"""

Labels: TypeAlias = dict[str, str | None]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One cadence as one listing showed it; `raw` is the record's JSON text, to the byte."""

    cadence_id: str
    config: Config
    labels: Labels
    extra: dict[str, object]
    raw: bytes
    digest: bytes
    """Of `raw`: whoever sends the same bytes again says nothing new."""
    drift: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record that cannot be stored faithfully; `cadence_id` is None where not even the id is readable."""

    cadence_id: str | None
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What Zoho says of a page; `count` is of this page, not of the organization."""

    page: int
    per_page: int
    count: int
    more_records: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One decoded page: `info` is None for the empty 204 answer."""

    info: PageInfo | None
    records: tuple[Record | QuarantinedRecord, ...]
    """Records that are not stored to the byte."""
    unchanged: tuple[int, ...] = ()
    """Positions, in the index that the page was decoded against, of those that are."""

    def __len__(self) -> int:
        return len(self.records) + len(self.unchanged)


@dataclass(frozen=True, slots=True)
class CurrentState:
    """What the store holds of a cadence: its open version, and what was discovered since that began."""

    cadence_id: str
    version: int
    deleted: bool
    valid_from: datetime
    config: Config
    labels: Labels
    extra: dict[str, object]


BLOCK: Final = 500
"""Records that are kept in memory, and handled at a time: some 3 MB."""

_DECODER: Final = msgspec.json.Decoder(list[Record])


class RecordSpool:
    """Takes records one by one and gives them back in blocks, as often as wanted.

    `open_file` opens a private file, which is written only from the first full block on. Raises `SpoolError`
    where that fails.
    """

    def __init__(self, open_file: Callable[[], IO[bytes]]) -> None:
        self._open = open_file
        self._file: IO[bytes] | None = None
        self._sizes: list[int] = []
        self._last: list[Record] = []
        self._once: frozenset[str] = frozenset()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._sizes) * BLOCK + len(self._last) - self._dropped

    def add(self, record: Record) -> None:
        """Add a record behind the others."""
        self._last.append(record)
        if len(self._last) == BLOCK:
            self._spill()

    def keep_once(self, cadence_ids: Iterable[str], dropped: int) -> None:
        """Give these only when they come first; so many of them come again."""
        self._once, self._dropped = frozenset(cadence_ids), dropped

    def blocks(self) -> Iterator[list[Record]]:
        """Yield all records in the order in which they came, at most `BLOCK` at a time."""
        met: set[str] = set()
        for block in self._stored():
            yield [record for record in block if self._is_first(record.cadence_id, met)]

    def __iter__(self) -> Iterator[Record]:
        for block in self.blocks():
            yield from block

    def _is_first(self, cadence_id: str, met: set[str]) -> bool:
        if cadence_id not in self._once:
            return True
        first = cadence_id not in met
        met.add(cadence_id)
        return first

    def _stored(self) -> Iterator[list[Record]]:
        position = 0
        for size in self._sizes:
            yield _DECODER.decode(self._read(position, size))
            position += size
        if self._last:
            yield self._last

    def _spill(self) -> None:
        encoded = msgspec.json.encode(self._last)
        try:
            if self._file is None:
                self._file = self._open()
                finalize(self, self._file.close)
            self._file.seek(sum(self._sizes))
            self._file.write(encoded)
        except OSError as error:
            raise SpoolError(f"A long listing cannot be kept in a temporary file ({error.strerror}).") from error
        self._sizes.append(len(encoded))
        self._last = []

    def _read(self, position: int, size: int) -> bytes:
        assert self._file is not None  # noqa: S101 - blocks have sizes once they are in the file
        try:
            self._file.seek(position)
            return self._file.read(size)
        except OSError as error:
            raise SpoolError(f"A temporary file cannot be read again ({error.strerror}).") from error
