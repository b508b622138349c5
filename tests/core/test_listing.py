"""What a listing as a whole says: counts, what differs, and what is missing."""

from datetime import UTC, datetime

import pytest

from cadence_sync.core.diff import Past, differing, make_plan, missing
from cadence_sync.core.guard import Verdict
from cadence_sync.core.model import Known, Listing, Quarantined, Stored
from cadence_sync.core.report import Counters
from tests.core.memory import START, Memory, listing_of, sighting
from tests.support.records import record

HIDDEN = Quarantined(None, "no id", b"{}")
UNREADABLE = Quarantined("4", "no word", b'{"id":"4"}')
ONE, TWO, THREE = (sighting(record(i)) for i in ("1", "2", "3"))


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
    records: list[Quarantined], seen: int, ids: frozenset[str], hides: bool
) -> None:
    listing = listing_of(records)
    assert (listing.seen, listing.quarantined_ids, listing.hides_ids) == (seen, ids, hides)


def test_an_id_that_is_both_readable_and_not_is_one_id() -> None:
    assert Listing(START, {"4": sighting(record("4"))}, (UNREADABLE,)).seen == 1


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
    records: list[Quarantined], gone: list[str]
) -> None:
    stored = Stored({"4": b"", "2": b"", "1": b""}, deleted=frozenset({"5"}))
    assert missing(listing_of(records), stored) == gone


def test_differing_is_what_is_new_deleted_or_not_as_it_was_written() -> None:
    stored = Stored({"1": ONE.digest, "2": b"another"}, deleted=frozenset({"3"}))
    new = sighting(record("5"))
    assert differing(listing_of([ONE, TWO, THREE, new]), stored) == [TWO, THREE, new]


def test_a_record_whose_key_disappeared_differs_and_yet_says_nothing() -> None:
    memory = Memory()
    memory.sync(record("1", description="Text"))
    listing = listing_of([ONE], memory.now)
    assert differing(listing, Stored(memory.digests)) == [ONE]
    plan = memory.plan(listing)
    assert (plan.versions, plan.refreshes, plan.unchanged) == ([], [], 1)


def test_nothing_at_all_makes_an_empty_plan() -> None:
    plan = make_plan(listing_of([]), [], Verdict(), {}, Past())
    assert Counters.of(plan) == Counters()


def test_the_counters_of_a_run_of_every_kind_add_up() -> None:
    memory = Memory(quarantined={"late"})
    memory.sync(*(record(i) for i in ("same", "relabelled", "changed", "gone", "back")))
    memory.sync(*(record(i) for i in ("same", "relabelled", "changed", "gone")))
    module = record()["module"] | {"api_name": "New"}
    plan = memory.sync(
        record("same"),
        record("relabelled", module=module),
        record("changed", name="New"),
        record("back"),
        record("late"),
        record("new"),
        UNREADABLE,
    )
    assert Counters.of(plan) == Counters(
        seen=7, baseline=1, created=1, updated=1, restored=1, deleted=1, unchanged=2, quarantined=1
    )
    assert len(plan.refreshes) == 1


def test_a_run_beside_an_unreadable_id_counts_it_and_deletes_nothing() -> None:
    memory = Memory()
    memory.sync(record("1"), record("2"))
    assert Counters.of(memory.sync(record("1"), HIDDEN)) == Counters(seen=2, unchanged=1, quarantined=1)


def test_what_is_held_is_counted_and_stays() -> None:
    before = Known("1", 4, False, START, ONE.config, ONE.labels, {})
    verdict = Verdict(retire=("1",), hold=("2", "3"), keep=("4",))
    plan = make_plan(listing_of([]), [], verdict, {"1": before}, Past(START))
    assert Counters.of(plan) == Counters(deleted=1, held=2)


def test_a_plan_is_made_of_what_is_known_and_not_of_digests() -> None:
    before = Known("1", 4, False, datetime(2026, 1, 1, tzinfo=UTC), ONE.config, ONE.labels, {})
    plan = make_plan(listing_of([ONE]), [ONE], Verdict(), {"1": before}, Past(START))
    assert (plan.versions, plan.refreshes) == ([], [])
