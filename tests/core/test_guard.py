from datetime import UTC, datetime

import pytest

from cadence_sync.core.guard import Brake, Docket, Verdict, check_org, judge, unconfirmed
from cadence_sync.core.model import Listing, Quarantined, Sighting, Stored
from cadence_sync.errors import AccessError

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


def listing(*seen: str, quarantined: tuple[str | None, ...] = ()) -> Listing:
    sightings = {i: Sighting(i, {"id": i}, {}, {}, b"{}", b"") for i in seen}
    return Listing(START, sightings, tuple(Quarantined(i, "bad", b"") for i in quarantined))


STORED = Stored({"1": b"", "2": b""}, frozenset({"3"}))


@pytest.mark.parametrize(
    ("found", "stored"),
    [
        (listing("2", "9"), STORED),
        (listing("3"), STORED),
        (listing("9", quarantined=("1",)), STORED),
        (listing("9", quarantined=(None,)), STORED),
        (listing(), STORED),
        (listing("9"), Stored()),
    ],
    ids=["one live", "one deleted", "one in quarantine", "one hidden", "empty listing", "empty store"],
)
def test_a_listing_that_may_be_of_the_same_organisation_passes(found: Listing, stored: Stored) -> None:
    check_org(found, stored)


@pytest.mark.parametrize("found", [listing("8", "9"), listing(quarantined=("9",))], ids=["readable", "quarantined"])
def test_a_listing_that_shares_nothing_with_the_store_is_another_organisation_s(found: Listing) -> None:
    with pytest.raises(AccessError) as caught:
        check_org(found, STORED)
    assert (caught.value.code, "--allow-other-org" in caught.value.hint) == ("WRONG_ORG", True)
