"""Cadences as a listing shows them and as they are stored, and the pages of a listing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final, NamedTuple, TypeAlias
from weakref import finalize

import msgspec

from cadence_sync.errors import SpoolError

FieldValue: TypeAlias = str | int | bool | list[object] | None
Config: TypeAlias = dict[str, FieldValue]
"""Field path → value. A missing path was never sent; `None` was sent as null or as "".

Instants are ISO 8601 strings in UTC, days are `YYYY-MM-DD`: both compare and serialize without conversion.
"""

Labels: TypeAlias = dict[str, str | None]


class FieldChange(NamedTuple):
    """One changed field, or `*` for a cadence that was created, deleted or restored.

    The labels are the names of the things that ids identify, where Zoho sent them.
    """

    field: str
    old: FieldValue
    new: FieldValue
    old_label: str | None = None
    new_label: str | None = None


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One cadence as it came in one listing; `raw` is its JSON text to the byte."""

    cadence_id: str
    config: Config
    labels: Labels
    extra: dict[str, object]
    raw: bytes
    digest: bytes
    """Of `raw`: equal bytes are an unchanged record."""
    drift: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record that cannot be stored faithfully; `cadence_id` is None where even the id is unreadable."""

    cadence_id: str | None
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Zoho's `info` of a page; `count` is of this page, not of the organization."""

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
    """Index positions of those that are; the page was decoded against that index."""

    def __len__(self) -> int:
        return len(self.records) + len(self.unchanged)


@dataclass(frozen=True, slots=True)
class CurrentState:
    """The stored state of a cadence: its open version, with the fields discovered since."""

    cadence_id: str
    version: int
    deleted: bool
    valid_from: datetime
    config: Config
    labels: Labels
    extra: dict[str, object]


BLOCK: Final = 500
"""Records that are kept in memory and handled at a time: some 3 MB."""

_DECODER: Final = msgspec.json.Decoder(list[Record])


class RecordSpool:
    """Takes records one by one and returns them in blocks, any number of times.

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
        self._last.append(record)
        if len(self._last) == BLOCK:
            self._spill()

    def keep_once(self, cadence_ids: Iterable[str], dropped: int) -> None:
        """Yields only the first record of each of these ids; `dropped` others of theirs were added."""
        self._once, self._dropped = frozenset(cadence_ids), dropped

    def blocks(self) -> Iterator[list[Record]]:
        """Yields all records in their order, at most `BLOCK` at a time."""
        repeated: set[str] = set()
        for block in self._stored():
            yield [record for record in block if self._is_first(record.cadence_id, repeated)]

    def __iter__(self) -> Iterator[Record]:
        for block in self.blocks():
            yield from block

    def _is_first(self, cadence_id: str, repeated: set[str]) -> bool:
        if cadence_id not in self._once:
            return True
        first = cadence_id not in repeated
        repeated.add(cadence_id)
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
