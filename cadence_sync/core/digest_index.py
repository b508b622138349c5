"""Digests of an organization's live cadences, in some 60 bytes each, and compact sets of ids."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from cadence_sync.core.fields import FIELDS, KNOWN_WORDS, LABELS

DECODER_VERSION: Final = 1
"""Raise it when the reading of a value changes."""
DIGEST_SIZE: Final = 16
"""Bytes; the odds of a collision are 1 in 2^128 for each comparison."""


def _schema_hash() -> bytes:
    words = {path: sorted(each) for path, each in KNOWN_WORDS.items()}
    return blake2b(repr((DECODER_VERSION, FIELDS, LABELS, words)).encode(), digest_size=DIGEST_SIZE).digest()


_SCHEMA_HASH = _schema_hash()
"""Of the fields that this version knows. Another version must decode every record once: a field new to it has to be
discovered before it changes, or its first change would be lost."""


def digest_of(raw: bytes | memoryview) -> bytes:
    return blake2b(raw, digest_size=DIGEST_SIZE, person=_SCHEMA_HASH).digest()


class DigestIndex:
    """The live cadences of an organization, found by the digest of the record that was last written.

    `digests` and `ids` are joined in one order, `lengths` are the characters of each id: separate Python objects
    would take ten times the memory. `deleted` is the number of cadences stored as deleted.
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
        slot = hash(digest) & self._mask
        while (position := self._slots[slot]) >= 0:
            start = position * DIGEST_SIZE
            if self._digests[start : start + DIGEST_SIZE] == digest:
                return position
            slot = (slot + 1) & self._mask
        return None

    def id_at(self, position: int) -> str:
        return self._ids[self._ends[position - 1] if position else 0 : self._ends[position]]


def _hash_table(digests: bytes, mask: int) -> "array[int]":
    """Returns the positions of digests by their hashes, at most half full; -1 is an empty slot."""
    slots = array("i", [-1]) * (mask + 1)
    for position, start in enumerate(range(0, len(digests), DIGEST_SIZE)):
        slot = hash(digests[start : start + DIGEST_SIZE]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = position
    return slots


EMPTY_INDEX: Final = DigestIndex()


class SeenSet:
    """The cadences of an index whose records a listing found unchanged."""

    def __init__(self, index: DigestIndex) -> None:
        self.index = index
        self._found = bytearray(len(index))

    def add(self, positions: Iterable[int]) -> None:
        for position in positions:
            self._found[position] = 1

    def __len__(self) -> int:
        return self._found.count(1)

    def found(self) -> Iterator[str]:
        return self._ids(1)

    def others(self) -> Iterator[str]:
        """Yields the ids that were not found unchanged: they changed, or are missing."""
        return self._ids(0)

    def _ids(self, mark: int) -> Iterator[str]:
        position = self._found.find(mark)
        while position >= 0:
            yield self.index.id_at(position)
            position = self._found.find(mark, position + 1)


_BUCKET: Final = 100_000
"""Ids that are compared at a time: a Python set of them takes a few megabytes."""


class IdHashSet:
    """Ids by Python's keyed 64-bit hash: among a million, two collide once in 10^7 processes."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, cadence_id: str) -> None:
        self._hashes.append(hash(cadence_id))

    def repeated(self, more: Callable[[], Iterable[str]]) -> set[int]:
        repeated: set[int] = set()
        for counts in self._buckets():
            repeated.update(number for number, count in counts.items() if count > 1)
            repeated.update(number for cadence_id in more() if (number := hash(cadence_id)) in counts)
        return repeated

    def lacking(self, wanted: Callable[[], Iterable[str]]) -> list[str]:
        size = len(self._hashes) // _BUCKET + 1
        absent = [
            cadence_id
            for bucket, counts in enumerate(self._buckets())
            for cadence_id in wanted()
            if hash(cadence_id) % size == bucket and hash(cadence_id) not in counts
        ]
        return sorted(absent)

    def _buckets(self) -> Iterator[Counter[int]]:
        size = len(self._hashes) // _BUCKET + 1
        for bucket in range(size):
            yield Counter(number for number in self._hashes if number % size == bucket)
