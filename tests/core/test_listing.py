"""What a listing as a whole says: counts, what differs, and what is missing."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.diff import PriorState, plan_deleted, plan_listed
from cadence_sync.core.records import CurrentState, QuarantinedRecord
from cadence_sync.core.report import Counters
from tests.core.memory import START, Memory, decode_one, index_of, listing_of
from tests.support.records import record

HIDDEN = QuarantinedRecord(None, "no id", b"{}")
UNREADABLE = QuarantinedRecord("4", "no word", b'{"id":"4"}')
ONE, TWO, THREE = (decode_one(record(i)) for i in ("1", "2", "3"))


@pytest.mark.parametrize(
    ("records", "seen", "ids", "hides"),
    [
        ([], 0, frozenset(), False),
        ([ONE, TWO], 2, frozenset(), False),
        ([ONE, UNREADABLE], 2, frozenset("4"), False),
        ([ONE, UNREADABLE, HIDDEN], 3, frozenset("4"), True),
        ([HIDDEN, HIDDEN], 2, frozenset(), True),
    ],
)
def test_a_listing_counts_distinct_ids_and_unreadable_ones(
    records: list[QuarantinedRecord], seen: int, ids: frozenset[str], hides: bool
) -> None:
    listing = listing_of(records)
    assert (listing.seen, listing.quarantined_ids, listing.has_unreadable_ids) == (seen, ids, hides)


@pytest.mark.parametrize(
    ("records", "gone"),
    [
        ([], ["1", "2", "4"]),
        ([TWO], ["1", "4"]),
        ([TWO, UNREADABLE], ["1"]),
        ([TWO, HIDDEN], []),
        ([ONE, TWO, THREE, UNREADABLE], []),
    ],
)
def test_missing_is_what_is_live_and_neither_listed_nor_in_quarantine(
    records: list[QuarantinedRecord], gone: list[str]
) -> None:
    stored = index_of({"4": b"4" * 16, "2": b"2" * 16, "1": ONE.digest}, deleted=1)
    assert listing_of(records, index=stored).missing() == gone


@pytest.mark.parametrize(
    ("records", "nothing"), [([ONE], True), ([], True), ([ONE, TWO], False), ([ONE, UNREADABLE], False)]
)
def test_nothing_new_is_said_where_all_is_stored_and_readable(records: list[QuarantinedRecord], nothing: bool) -> None:
    assert listing_of(records, index=index_of({"1": ONE.digest})).is_unchanged is nothing


def test_differing_is_what_is_new_deleted_or_not_as_it_was_written() -> None:
    stored = index_of({"1": ONE.digest, "2": b"an other digest."}, deleted=1)
    new = decode_one(record("5"))
    listing = listing_of([ONE, TWO, THREE, new], index=stored)
    assert list(listing.changed) == [TWO, THREE, new]
    assert list(listing.unchanged.found()) == ["1"]


def test_a_record_whose_key_disappeared_differs_and_yet_says_nothing() -> None:
    memory = Memory()
    memory.sync(record("1", description="Text"))
    listing = listing_of([ONE], memory.now, index_of(memory.digests))
    assert list(listing.changed) == [ONE]
    plan = memory.plan(listing)
    assert (plan.versions, plan.refreshes, plan.unchanged) == ([], [], 1)
    assert [row.digest for row in plan.reencoded] == [ONE.digest]


def test_nothing_at_all_makes_an_empty_plan() -> None:
    assert Counters.of(listing_of([]), DeletionPlan(), Counter()) == Counters()


def test_the_counters_of_a_run_of_every_kind_add_up() -> None:
    memory = Memory(quarantined={"late"})
    memory.sync(*(record(i) for i in ("same", "relabeled", "changed", "gone", "back")))
    memory.sync(*(record(i) for i in ("same", "relabeled", "changed", "gone")))
    module = record()["module"] | {"api_name": "New"}
    plan = memory.sync(
        record("same"),
        record("relabeled", module=module),
        record("changed", name="New"),
        record("back"),
        record("late"),
        record("new"),
        UNREADABLE,
    )
    assert plan.counters == Counters(
        seen=7, baseline=1, created=1, updated=1, restored=1, deleted=1, unchanged=2, quarantined=1
    )
    assert len(plan.refreshes) == 1


def test_a_run_beside_an_unreadable_id_counts_it_and_deletes_nothing() -> None:
    memory = Memory()
    memory.sync(record("1"), record("2"))
    assert memory.sync(record("1"), HIDDEN).counters == Counters(seen=2, unchanged=1, quarantined=1)


def test_what_is_held_is_counted_and_stays() -> None:
    before = CurrentState("1", 4, False, START, ONE.config, ONE.labels, {})
    deletions = DeletionPlan(delete=("1",), hold=("2", "3"), keep=("4",))
    kinds = Counter(version.kind for version in plan_deleted(listing_of([]), [before]).versions)
    assert Counters.of(listing_of([]), deletions, kinds) == Counters(deleted=1, held=2)


def test_a_plan_is_made_of_what_is_known_and_not_of_digests() -> None:
    before = CurrentState("1", 4, False, datetime(2026, 1, 1, tzinfo=UTC), ONE.config, ONE.labels, {})
    plan = plan_listed(listing_of([ONE]), [ONE], {"1": before}, PriorState(START))
    assert (plan.versions, plan.refreshes) == ([], [])
