from datetime import UTC, datetime

import pytest

from cadence_sync.core.deletions import (
    DeletionPlan,
    DeletionThreshold,
    PendingDeletions,
    may_be_other_org,
    needs_confirmation,
    other_org_error,
    plan_deletions,
)
from cadence_sync.core.digest_index import EMPTY_INDEX, DigestIndex
from cadence_sync.core.records import QuarantinedRecord
from tests.core.memory import MadeRecord, decode_one, index_of, listing_of
from tests.support.records import record

START = datetime(2026, 1, 5, tzinfo=UTC)


def ids(count: int, start: int = 0) -> list[str]:
    return [f"{number:03}" for number in range(start, start + count)]


@pytest.mark.parametrize(("live", "limit"), [(0, 5), (5, 5), (25, 5), (29, 5), (30, 6), (100, 20), (400, 80)])
def test_five_or_a_fifth_of_the_live_ones_may_go_in_a_day(live: int, limit: int) -> None:
    assert DeletionThreshold().limit(live) == limit


def test_up_to_the_limit_all_are_deleted_and_one_more_holds_them_all() -> None:
    assert plan_deletions(ids(20), 100, PendingDeletions(), DeletionThreshold()) == DeletionPlan(
        delete=tuple(ids(20)), auto_deleted=20
    )
    assert plan_deletions(ids(21), 100, PendingDeletions(), DeletionThreshold()) == DeletionPlan(hold=tuple(ids(21)))


def test_what_was_deleted_today_counts() -> None:
    assert plan_deletions(ids(10), 100, PendingDeletions(auto_deleted_today=10), DeletionThreshold()).auto_deleted == 10
    assert plan_deletions(ids(10), 100, PendingDeletions(auto_deleted_today=11), DeletionThreshold()).hold == tuple(
        ids(10)
    )


def test_held_ones_stay_held_until_somebody_decides_however_few_remain() -> None:
    pending = PendingDeletions(held=frozenset(ids(30)), hold_id=7)
    assert plan_deletions(ids(30), 100, pending, DeletionThreshold()) == DeletionPlan(hold=tuple(ids(30)), hold_id=7)
    assert plan_deletions(ids(2), 100, pending, DeletionThreshold()) == DeletionPlan(hold=tuple(ids(2)))


def test_a_new_missing_one_joins_held_ones_while_they_are_too_many_together() -> None:
    pending = PendingDeletions(held=frozenset(ids(30)), hold_id=7)
    assert plan_deletions(ids(31), 100, pending, DeletionThreshold()) == DeletionPlan(hold=tuple(ids(31)))
    few = plan_deletions([*ids(2), "x"], 100, pending, DeletionThreshold())
    assert few == DeletionPlan(delete=("x",), hold=tuple(ids(2)), auto_deleted=1)


def test_approved_ones_are_deleted_and_do_not_count_and_more_meets_the_threshold_again() -> None:
    pending = PendingDeletions(approved=frozenset(ids(30)))
    assert plan_deletions(ids(30), 100, pending, DeletionThreshold()) == DeletionPlan(delete=tuple(ids(30)))
    assert plan_deletions(ids(35), 100, pending, DeletionThreshold()) == DeletionPlan(
        delete=tuple(ids(35)), auto_deleted=5
    )
    deletions = plan_deletions(ids(60), 100, pending, DeletionThreshold())
    assert (deletions.delete, deletions.hold) == (tuple(ids(30)), tuple(ids(30, 30)))


def test_rejected_ones_stay_live_without_alarm_and_more_is_a_new_case() -> None:
    pending = PendingDeletions(rejected=frozenset(ids(30)))
    assert plan_deletions(ids(30), 100, pending, DeletionThreshold()) == DeletionPlan(keep=tuple(ids(30)))
    deletions = plan_deletions(ids(60), 100, pending, DeletionThreshold())
    assert (deletions.keep, deletions.hold) == (tuple(ids(30)), tuple(ids(30, 30)))


def test_permission_for_all_deletes_all_whatever_was_said_before() -> None:
    pending = PendingDeletions(held=frozenset(ids(10)), rejected=frozenset(ids(10, 10)), auto_deleted_today=50)
    assert plan_deletions(ids(30), 30, pending, DeletionThreshold(), allow_all=True) == DeletionPlan(
        delete=tuple(ids(30))
    )


def test_only_what_is_not_yet_known_to_be_missing_is_looked_for_again() -> None:
    pending = PendingDeletions(held=frozenset("a"), approved=frozenset("b"), rejected=frozenset("c"))
    assert needs_confirmation("abcd", pending) == ["b", "d"]


@pytest.mark.parametrize("plan", [DeletionPlan(delete=("1",)), DeletionPlan(hold=("1",)), DeletionPlan(keep=("1",))])
def test_a_plan_is_empty_while_it_names_no_cadence(plan: DeletionPlan) -> None:
    assert plan
    assert not DeletionPlan()


def test_another_organization_is_reported_with_the_way_out() -> None:
    error = other_org_error()
    assert (error.code, "--allow-other-org" in error.hint) == ("WRONG_ORG", True)


ONE, OTHER, HIDDEN = decode_one(record("1")), decode_one(record("9")), QuarantinedRecord(None, "bad", b"{")
STORED = index_of({"1": ONE.digest})


@pytest.mark.parametrize(
    ("records", "stored", "doubtful"),
    [
        ([ONE, OTHER], STORED, False),
        ([OTHER, HIDDEN], STORED, False),
        ([], STORED, False),
        ([OTHER], EMPTY_INDEX, False),
        ([OTHER], STORED, True),
        ([OTHER], index_of({}, deleted=1), True),
        ([QuarantinedRecord("9", "bad", b"{")], STORED, True),
    ],
    ids=["one stored", "one hidden", "empty listing", "empty store", "none stored", "all deleted", "all quarantined"],
)
def test_only_a_listing_that_shows_nothing_as_it_is_stored_may_be_another_organization_s(
    records: list[MadeRecord], stored: DigestIndex, doubtful: bool
) -> None:
    assert may_be_other_org(listing_of(records, index=stored), stored) is doubtful
