from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from cadence_sync.simulator import serializers
from cadence_sync.simulator.org import Order, SimOrg

END_OF_PAST = datetime(2026, 1, 1, tzinfo=UTC)


def every_id(org: SimOrg) -> list[str]:
    named = [thing.id for things in (org.users, org.modules, org.views) for thing in things]
    return [*org.cadences, *named]


def rendered(org: SimOrg) -> list[serializers.Json]:
    return [
        serializers.one_v8(cadence) | serializers.list_v7(cadence, org.utc_offset) for cadence in org.cadences.values()
    ]


def test_same_seed_and_index_make_the_same_organization() -> None:
    assert rendered(SimOrg(7, 0, 60)) == rendered(SimOrg(7, 0, 60))


@pytest.mark.parametrize(("seed", "index"), [(8, 0), (7, 1)])
def test_another_seed_or_index_makes_another_organization(seed: int, index: int) -> None:
    names = {cadence.name for cadence in SimOrg(7, 0, 60).cadences.values()}
    others = {cadence.name for cadence in SimOrg(seed, index, 60).cadences.values()}
    assert len(names & others) < 20


def test_organizations_share_no_id() -> None:
    orgs = [SimOrg(7, index, 5) for index in range(300)]
    found = [made for org in orgs for made in every_id(org)]
    assert len(found) == len(set(found))


def test_ids_have_19_digits_and_fit_a_bigint() -> None:
    org = SimOrg(7, 3, 200)
    for made in every_id(org):
        assert len(made) == 19
        assert int(made) < 2**63


def test_the_past_is_in_the_past_and_in_order() -> None:
    for cadence in SimOrg(7, 0, 500).cadences.values():
        assert datetime(2024, 1, 1, tzinfo=UTC) < cadence.created_time < END_OF_PAST
        assert cadence.created_time.microsecond == 0
        if cadence.modified_time:
            assert cadence.created_time <= cadence.modified_time < END_OF_PAST
            assert cadence.modified_time.microsecond == 0


def test_a_larger_organization_shows_every_variety() -> None:
    cadences = list(SimOrg(7, 0, 500).cadences.values())
    assert {cadence.status for cadence in cadences} == {"active", "inactive", "draft"}
    assert {cadence.type for cadence in cadences} == {"custom_view", "manual_enrollment"}
    executions = [cadence.execution for cadence in cadences if cadence.execution]
    assert {execution.period for execution in executions} == {"immediately", "hours", "days", "weeks"}
    assert {bool(execution.end_date) for execution in executions} == {True, False}
    assert {cadence.modified_time is None for cadence in cadences} == {True, False}
    assert {bool(cadence.description) for cadence in cadences} == {True, False}
    assert {bool(cadence.counts.whatsapp) for cadence in cadences} == {True, False}
    assert {cadence.draft is None for cadence in cadences} == {True, False}
    assert len({cadence.module.api_name for cadence in cadences}) == 5


def test_facts_of_a_cadence_fit_together() -> None:
    for cadence in SimOrg(7, 0, 500).cadences.values():
        assert (cadence.view is not None) is (cadence.type == "custom_view")
        assert cadence.view is None or (cadence.view.module is cadence.module and cadence.execution is not None)
        assert cadence.published or not cadence.active
        assert len(cadence.name) <= 100
        assert len(cadence.description) <= 500
        if cadence.execution:
            assert (cadence.execution.unit is None) is (cadence.execution.period == "immediately")
    manual = [c for c in SimOrg(7, 0, 500).cadences.values() if c.type == "manual_enrollment"]
    assert sum(cadence.execution is None for cadence in manual) > len(manual) * 0.8


def test_names_are_unique() -> None:
    names = [cadence.name for cadence in SimOrg(7, 0, 10_000).cadences.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("order", get_args(Order))
def test_every_order_holds_every_cadence_once(order: Order) -> None:
    org = SimOrg(7, 0, 80)
    assert sorted(cadence.id for cadence in org.ordered(order)) == sorted(org.cadences)


def test_orders_are_what_they_say() -> None:
    org = SimOrg(7, 0, 80)
    ids = [cadence.id for cadence in org.ordered("id")]
    names = [cadence.name.casefold() for cadence in org.ordered("name")]
    times = [cadence.modified_time or cadence.created_time for cadence in org.ordered("modified")]
    shuffled = [cadence.id for cadence in org.ordered("shuffled")]
    assert ids == sorted(ids)
    assert names == sorted(names)
    assert times == sorted(times, reverse=True)
    assert shuffled not in (ids, ids[::-1])


def test_a_draft_is_found_by_its_own_id_only() -> None:
    org = SimOrg(7, 0, 200)
    parent = next(cadence for cadence in org.cadences.values() if cadence.draft)
    plain = next(cadence for cadence in org.cadences.values() if not cadence.draft)
    assert parent.draft is not None
    draft = org.find(parent.draft.id)
    assert draft is not None
    assert (draft.status, draft.parent and draft.parent.id, draft.draft) == ("draft", parent.id, None)
    assert parent.draft.id not in org.cadences
    assert org.find(plain.as_draft().id) is None
    assert org.find("nonsense") is None


def test_the_offset_of_v7_times_is_the_organizations_to_change() -> None:
    org = SimOrg(7, 0, 3)
    before = [serializers.list_v7(cadence, org.utc_offset)["created_time"] for cadence in org.ordered("id")]
    org.utc_offset = timedelta(hours=1)
    after = [serializers.list_v7(cadence, org.utc_offset)["created_time"] for cadence in org.ordered("id")]
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert [datetime.fromisoformat(text) for text in before] == [datetime.fromisoformat(text) for text in after]
