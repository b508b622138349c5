"""A set of ids in eight bytes each, for listings too long to keep every id as text."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Final

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
