"""Digests found again, ids in little room, and records in blocks."""

import errno
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sync.core import digest_index as ids_module
from cadence_sync.core.digest_index import EMPTY_INDEX, IdHashSet, SeenSet
from cadence_sync.core.records import BLOCK, Record, RecordSpool
from cadence_sync.errors import SpoolError
from tests.core.facts import PROPERTY
from tests.core.memory import decode_one, index_of
from tests.support.records import record

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5)
# Few different halves, so that digests which share one half are common.
DIGESTS = st.binary(min_size=1, max_size=1).map(lambda half: half * 8)
PAIRS = st.tuples(DIGESTS, DIGESTS).map(b"".join)


@PROPERTY
@given(st.dictionaries(IDS, PAIRS, max_size=20).filter(lambda d: len(set(d.values())) == len(d)), PAIRS)
def test_a_digest_is_found_at_the_position_of_its_id_and_no_other_is(digests: dict[str, bytes], other: bytes) -> None:
    index = index_of(digests)
    assert len(index) == len(digests)
    for cadence_id, digest in digests.items():
        position = index.find(digest)
        assert position is not None
        assert index.id_at(position) == cadence_id
    assert (index.find(other) is None) == (other not in digests.values())


def test_marks_tell_what_was_found_from_what_was_not() -> None:
    index = index_of({name: name.encode() * 16 for name in "abcd"})
    marks = SeenSet(index)
    marks.add([0, 2])
    marks.add([2])
    assert (len(marks), list(marks.found()), list(marks.others())) == (2, ["a", "c"], ["b", "d"])
    assert list(SeenSet(EMPTY_INDEX).found()) == []


@PROPERTY
@given(st.lists(IDS), st.lists(IDS), st.sampled_from([1, 3, 100]))
def test_ids_are_reported_apart_whatever_the_size_of_a_bucket(here: list[str], wanted: list[str], size: int) -> None:
    found = IdHashSet()
    for cadence_id in here:
        found.add(cadence_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids_module, "_BUCKET", size)
        assert found.lacking(lambda: wanted) == sorted(i for i in wanted if i not in here)
        twice = {hash(i) for i in here if here.count(i) > 1 or i in wanted}
        assert found.repeated(lambda: wanted) == twice


def _many(count: int) -> list[Record]:
    big = {"big": 2**70, "float": 0.1, "list": [1, None, True]}
    return [decode_one(record(str(number), **big)) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 1])
def test_records_come_back_as_they_were_as_often_as_wanted(count: int) -> None:
    given_, records = _many(count), RecordSpool(TemporaryFile)
    for one in given_:
        records.add(one)
    assert len(records) == count
    assert list(records) == given_
    assert list(records) == given_
    assert all(len(block) <= BLOCK for block in records.blocks())


def test_what_is_added_after_a_look_comes_behind() -> None:
    given_, records = _many(2 * BLOCK), RecordSpool(TemporaryFile)
    for one in given_[:BLOCK]:
        records.add(one)
    assert list(records) == given_[:BLOCK]
    for one in given_[BLOCK:]:
        records.add(one)
    assert list(records) == given_


def test_a_repeated_record_is_given_once() -> None:
    one, two = _many(2)
    records = RecordSpool(TemporaryFile)
    for each in (one, two, one):
        records.add(each)
    records.keep_once(["0"], 1)
    assert (list(records), len(records)) == ([one, two], 2)


class Broken:
    """A file on a disk that is full, or that cannot be read."""

    def __init__(self, *, full: bool) -> None:
        self._full = full

    def seek(self, _position: int) -> None:
        pass

    def write(self, _data: bytes) -> None:
        if self._full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        pass

    def read(self, _size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


def _filled(file: IO[bytes], given_: Sequence[Record]) -> RecordSpool:
    records = RecordSpool(lambda: file)
    for one in given_:
        records.add(one)
    return records


def test_a_full_disk_is_reported_as_such() -> None:
    with pytest.raises(SpoolError, match="No space left"):
        _filled(Broken(full=True), _many(BLOCK))  # type: ignore[arg-type]


def test_a_file_that_cannot_be_read_is_reported_as_such() -> None:
    records = _filled(Broken(full=False), _many(BLOCK))  # type: ignore[arg-type]
    with pytest.raises(SpoolError, match="Input/output"):
        list(records)
