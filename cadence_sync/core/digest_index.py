"""What the store holds of an organization, in some 60 bytes a cadence, and what of it a listing found as it was."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from cadence_sync.core.fields import FIELDS, KNOWN_WORDS, LABELS

DECODER_VERSION: Final = 1
"""To be raised when a value is read in another way than before."""
DIGEST_SIZE: Final = 16
"""Bytes; two different records of one digest are not to be expected: 1 in 2^128 for each comparison."""


def _schema_hash() -> bytes:
    words = {path: sorted(each) for path, each in KNOWN_WORDS.items()}
    return blake2b(repr((DECODER_VERSION, FIELDS, LABELS, words)).encode(), digest_size=DIGEST_SIZE).digest()


_SCHEMA_HASH = _schema_hash()
"""What of a record is known to this version. Another version must look at every record once: a field that it learns
to know is discovered before it changes, or its first change would be lost."""


def digest_of(raw: bytes | memoryview) -> bytes:
    """Return the digest of a record's bytes, as this version of the program reads them."""
    return blake2b(raw, digest_size=DIGEST_SIZE, person=_SCHEMA_HASH).digest()


class DigestIndex:
    """The live cadences of an organization, found by the digest of the record that was last written.

    `digests` and `ids` are joined in one order, `lengths` say how many characters each id has: as Python
    objects of their own they would take ten times the room. `deleted` is how many are stored as deleted.
    """

    def __init__(self, digests: bytes = b"", ids: str = "", lengths: Sequence[int] = (), deleted: int = 0) -> None:
        self._digests = digests
        self._ids = ids
        self._ends = array("Q", accumulate(lengths))
        self.deleted = deleted
        self._mask = (1 << (2 * len(lengths)).bit_length()) - 1
        self._slots = _hash_table(digests, self._mask)

    def __len__(self) -> int:
        return len(self._ends)

    def find(self, digest: bytes) -> int | None:
        """Return the position of the cadence whose record has this digest."""
        slot = hash(digest) & self._mask
        while (position := self._slots[slot]) >= 0:
            start = position * DIGEST_SIZE
            if self._digests[start : start + DIGEST_SIZE] == digest:
                return position
            slot = (slot + 1) & self._mask
        return None

    def id_at(self, position: int) -> str:
        """Return the id of the cadence at a position."""
        return self._ids[self._ends[position - 1] if position else 0 : self._ends[position]]


def _hash_table(digests: bytes, mask: int) -> "array[int]":
    """Return the positions of digests by their hashes, at most half full; -1 is an empty slot."""
    slots = array("i", [-1]) * (mask + 1)
    for position, start in enumerate(range(0, len(digests), DIGEST_SIZE)):
        slot = hash(digests[start : start + DIGEST_SIZE]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = position
    return slots


EMPTY_INDEX: Final = DigestIndex()
"""The index of an organization of which nothing is stored."""


class SeenSet:
    """Which cadences of an index a listing found with the record that was last written."""

    def __init__(self, index: DigestIndex) -> None:
        self.index = index
        self._found = bytearray(len(index))

    def add(self, positions: Iterable[int]) -> None:
        """Mark cadences as found; once or twice is the same."""
        for position in positions:
            self._found[position] = 1

    def __len__(self) -> int:
        return self._found.count(1)

    def found(self) -> Iterator[str]:
        """Return the ids of those found."""
        return self._ids(1)

    def others(self) -> Iterator[str]:
        """Return the ids of those not found: changed since, or missing."""
        return self._ids(0)

    def _ids(self, mark: int) -> Iterator[str]:
        position = self._found.find(mark)
        while position >= 0:
            yield self.index.id_at(position)
            position = self._found.find(mark, position + 1)


_BUCKET: Final = 100_000
"""Ids that are looked at together: so many take a few megabytes as a set of Python's own."""


class IdHashSet:
    """Ids by Python's keyed 64-bit hash: among a million, two that differ meet once in 10^7 processes."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, cadence_id: str) -> None:
        """Add an id; each time counts."""
        self._hashes.append(hash(cadence_id))

    def repeated(self, more: Callable[[], Iterable[str]]) -> set[int]:
        """Return the hashes that come more than once among these ids and `more`."""
        twice: set[int] = set()
        for bucket, met in self._buckets():
            twice.update(self._twice(bucket))
            twice.update(number for cadence_id in more() if (number := hash(cadence_id)) in met)
        return twice

    def lacking(self, wanted: Callable[[], Iterable[str]]) -> list[str]:
        """Return those wanted that are not here, sorted."""
        gone = [cadence_id for bucket, met in self._buckets() for cadence_id in self._absent(wanted(), bucket, met)]
        return sorted(gone)

    def _buckets(self) -> Iterator[tuple[int, set[int]]]:
        self._count = len(self._hashes) // _BUCKET + 1
        for bucket in range(self._count):
            yield bucket, {number for number in self._hashes if number % self._count == bucket}

    def _twice(self, bucket: int) -> Iterator[int]:
        met: set[int] = set()
        for number in self._hashes:
            if number % self._count == bucket:
                if number in met:
                    yield number
                met.add(number)

    def _absent(self, wanted: Iterable[str], bucket: int, met: set[int]) -> Iterator[str]:
        for cadence_id in wanted:
            number = hash(cadence_id)
            if number % self._count == bucket and number not in met:
                yield cadence_id
