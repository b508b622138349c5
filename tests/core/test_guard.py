from datetime import UTC, datetime

import pytest

from cadence_sync.core.guard import Brake, Docket, Verdict, judge, may_be_other_org, other_org, unconfirmed
from cadence_sync.core.index import NOTHING, Index
from cadence_sync.core.model import Quarantined
from tests.core.memory import Record, index_of, listing_of, sighting
from tests.support.records import record

START = datetime(2026, 1, 5, tzinfo=UTC)


def ids(count: int, start: int = 0) -> list[str]:
    return [f"{number:03}" for number in range(start, start + count)]


@pytest.mark.parametrize(("live", "limit"), [(0, 5), (5, 5), (25, 5), (29, 5), (30, 6), (100, 20), (400, 80)])
def test_five_or_a_fifth_of_the_live_ones_may_go_in_a_day(live: int, limit: int) -> None:
    assert Brake().limit(live) == limit


def test_up_to_the_limit_all_are_retired_and_one_more_holds_them_all() -> None:
    assert judge(ids(20), 100, Docket(), Brake()) == Verdict(retire=tuple(ids(20)), unasked=20)
    assert judge(ids(21), 100, Docket(), Brake()) == Verdict(hold=tuple(ids(21)))


def test_what_was_retired_today_counts() -> None:
    assert judge(ids(10), 100, Docket(retired_today=10), Brake()).unasked == 10
    assert judge(ids(10), 100, Docket(retired_today=11), Brake()).hold == tuple(ids(10))


def test_held_ones_stay_held_until_somebody_decides_however_few_remain() -> None:
    docket = Docket(held=frozenset(ids(30)), case=7)
    assert judge(ids(30), 100, docket, Brake()) == Verdict(hold=tuple(ids(30)), case=7)
    assert judge(ids(2), 100, docket, Brake()) == Verdict(hold=tuple(ids(2)))


def test_a_new_missing_one_joins_held_ones_while_they_are_too_many_together() -> None:
    docket = Docket(held=frozenset(ids(30)), case=7)
    assert judge(ids(31), 100, docket, Brake()) == Verdict(hold=tuple(ids(31)))
    few = judge([*ids(2), "x"], 100, docket, Brake())
    assert few == Verdict(retire=("x",), hold=tuple(ids(2)), unasked=1)


def test_approved_ones_are_retired_and_do_not_count_and_more_meets_the_brake_again() -> None:
    docket = Docket(approved=frozenset(ids(30)))
    assert judge(ids(30), 100, docket, Brake()) == Verdict(retire=tuple(ids(30)))
    assert judge(ids(35), 100, docket, Brake()) == Verdict(retire=tuple(ids(35)), unasked=5)
    verdict = judge(ids(60), 100, docket, Brake())
    assert (verdict.retire, verdict.hold) == (tuple(ids(30)), tuple(ids(30, 30)))


def test_rejected_ones_stay_live_without_alarm_and_more_is_a_new_case() -> None:
    docket = Docket(rejected=frozenset(ids(30)))
    assert judge(ids(30), 100, docket, Brake()) == Verdict(keep=tuple(ids(30)))
    verdict = judge(ids(60), 100, docket, Brake())
    assert (verdict.keep, verdict.hold) == (tuple(ids(30)), tuple(ids(30, 30)))


def test_permission_for_all_retires_all_whatever_was_said_before() -> None:
    docket = Docket(held=frozenset(ids(10)), rejected=frozenset(ids(10, 10)), retired_today=50)
    assert judge(ids(30), 30, docket, Brake(), allow_all=True) == Verdict(retire=tuple(ids(30)))


def test_only_what_is_not_yet_known_to_be_missing_is_looked_for_again() -> None:
    docket = Docket(held=frozenset("a"), approved=frozenset("b"), rejected=frozenset("c"))
    assert unconfirmed("abcd", docket) == ["b", "d"]


def test_another_organization_is_told_with_the_way_out() -> None:
    error = other_org()
    assert (error.code, "--allow-other-org" in error.hint) == ("WRONG_ORG", True)


ONE, OTHER, HIDDEN = sighting(record("1")), sighting(record("9")), Quarantined(None, "bad", b"{")
STORED = index_of({"1": ONE.digest})


@pytest.mark.parametrize(
    ("records", "stored", "doubtful"),
    [
        ([ONE, OTHER], STORED, False),
        ([OTHER, HIDDEN], STORED, False),
        ([], STORED, False),
        ([OTHER], NOTHING, False),
        ([OTHER], STORED, True),
        ([OTHER], index_of({}, deleted=1), True),
        ([Quarantined("9", "bad", b"{")], STORED, True),
    ],
    ids=["one stored", "one hidden", "empty listing", "empty store", "none stored", "all deleted", "all quarantined"],
)
def test_only_a_listing_that_shows_nothing_as_it_is_stored_may_be_another_organization_s(
    records: list[Record], stored: Index, doubtful: bool
) -> None:
    assert may_be_other_org(listing_of(records, index=stored), stored) is doubtful
