"""The records of a listing that are new or not as they were written: a few in memory, many in a file."""

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final
from weakref import finalize

import msgspec

from cadence_sync.core.records import Record
from cadence_sync.errors import SpoolError

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
