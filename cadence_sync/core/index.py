"""What the store holds of an organisation, in some 40 bytes a cadence, and what of it a walk found as it was."""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Final

DIGEST_SIZE: Final = 16
"""Bytes; two different records of one digest are not to be expected: 1 in 2^128 for each comparison."""


_TO_BIG_ENDIAN: Final[dict[str, Callable[["array[int]"], None]]] = {"little": array.byteswap, "big": lambda _: None}
"""So that numbers have the order of the bytes that they are made of."""


def digest_of(raw: bytes | memoryview) -> bytes:
    """Return the digest of a record's bytes."""
    return blake2b(raw, digest_size=DIGEST_SIZE).digest()


class Index:
    """The live cadences of an organisation, found by the digest of the record that was last written.

    `digests` are joined in ascending order, `ids` are joined in the order of their digests and `lengths` say
    how many characters each has: millions of Python objects would take ten times the room. `deleted` is how
    many cadences are stored as deleted.
    """

    def __init__(self, digests: bytes = b"", ids: str = "", lengths: Sequence[int] = (), deleted: int = 0) -> None:
        words = array("Q", digests)
        _TO_BIG_ENDIAN[sys.byteorder](words)
        self._high, self._low = words[0::2], words[1::2]
        self._ids = ids
        self._ends = array("Q", accumulate(lengths))
        self.deleted = deleted

    def __len__(self) -> int:
        return len(self._high)

    def find(self, digest: bytes) -> int | None:
        """Return the position of the cadence whose record has this digest."""
        high, low = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
        position = bisect_left(self._high, high)
        while position < len(self._high) and self._high[position] == high:
            if self._low[position] == low:
                return position
            position += 1
        return None

    def id_at(self, position: int) -> str:
        """Return the id of the cadence at a position."""
        return self._ids[self._ends[position - 1] if position else 0 : self._ends[position]]


NOTHING: Final = Index()
"""The index of an organisation of which nothing is stored."""


class Marks:
    """Which cadences of an index a walk found with the record that was last written."""

    def __init__(self, index: Index) -> None:
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
