import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from cadence_sync.simulator import edits, serializers
from cadence_sync.simulator.edits import EDIT_KINDS, Edit, EditError, make_random_edit, make_random_edits
from cadence_sync.simulator.org import SimOrg, make_cadence
from cadence_sync.simulator.records import Cadence, Counts, Execution

NOW = datetime(2026, 3, 2, 8, 30, 15, 999, tzinfo=UTC)


@pytest.fixture
def org() -> SimOrg:
    return SimOrg(7, 0, 60)


def rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


def listed(org: SimOrg) -> dict[str, Any]:
    return {cadence.id: serializers.list_v8(cadence, org.utc_offset) for cadence in org.ordered("id")}


def pick(org: SimOrg, status: str) -> Cadence:
    return next(cadence for cadence in org.ordered("id") if cadence.status == status and not cadence.draft)


def changed_keys(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {key for key in before | after if before.get(key) != after.get(key)}


def run(kind: str, org: SimOrg, cadence: Cadence) -> Edit:
    by = next(user for user in org.users if user.id != cadence.modified_by.id)
    context = edits.EditContext(org, NOW, by, rng(1))
    execution = Execution("weeks", 9, "respond_email", "2027-01-31")
    made: dict[str, Any] = {
        "rename": lambda: edits.rename(context, cadence.id, "Another name"),
        "activate": lambda: edits.set_active(context, cadence.id, active=True),
        "deactivate": lambda: edits.set_active(context, cadence.id, active=False),
        "publish": lambda: edits.publish(context, cadence.id),
        "change_counts": lambda: edits.change_counts(context, cadence.id, Counts(email=9)),
        "change_execution": lambda: edits.change_execution(context, cadence.id, execution),
    }
    edit: Edit = made[kind]()
    return edit


@pytest.mark.parametrize(
    ("kind", "status", "keys"),
    [
        ("rename", "active", {"name"}),
        ("activate", "inactive", {"active", "status"}),
        ("deactivate", "active", {"active", "status"}),
        ("publish", "draft", {"published", "active", "status"}),
        ("change_counts", "inactive", {"summary"}),
        ("change_execution", "active", {"execution_details"}),
    ],
)
def test_an_edit_changes_its_fields_of_one_cadence_and_signs_it(
    org: SimOrg, kind: str, status: str, keys: set[str]
) -> None:
    cadence = pick(org, status)
    cadence.counts = Counts(email=2)  # no WhatsApp step: its key would come and go
    before = listed(org)
    edit = run(kind, org, cadence)
    after = listed(org)
    assert (edit.kind, edit.cadence_id) == (kind, cadence.id)
    assert cadence.name in edit.text
    assert {key for key in before if before[key] != after[key]} == {cadence.id}
    signed = keys | {"modified_time", "modified_by"}
    assert changed_keys(before[cadence.id], after[cadence.id]) == signed
    assert datetime.fromisoformat(after[cadence.id]["modified_time"]) == NOW.replace(microsecond=0)
    assert cadence.modified_time == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("activate", "active"), ("activate", "draft"), ("deactivate", "inactive"), ("publish", "active")],
)
def test_an_edit_that_does_not_fit_is_refused_and_changes_nothing(org: SimOrg, kind: str, status: str) -> None:
    before = listed(org)
    with pytest.raises(EditError):
        run(kind, org, pick(org, status))
    assert listed(org) == before


@pytest.mark.parametrize("active", [True, False])
def test_publishing_merges_a_pending_draft(active: bool) -> None:
    org = SimOrg(7, 0, 400)
    cadence = next(cadence for cadence in org.cadences.values() if cadence.draft and cadence.active is active)
    run("publish", org, cadence)
    assert cadence.draft is None
    assert cadence.active is active


def test_a_created_cadence_is_listed(org: SimOrg) -> None:
    before = listed(org)
    made = make_cadence(org, rng(1), NOW, org.users[2])
    edit = edits.create(org, made)
    assert edit.kind == "create"
    assert listed(org).keys() - before.keys() == {made.id} == {edit.cadence_id}
    assert (made.created_time, made.created_by) == (NOW.replace(microsecond=0), org.users[2])
    assert made.id == max(org.cadences)
    with pytest.raises(EditError):
        edits.create(org, made)


def test_delete_and_restore_leave_no_trace(org: SimOrg) -> None:
    before = listed(org)
    cadence_id = org.ordered("id")[3].id
    assert edits.delete(org, cadence_id) == Edit("delete", cadence_id, f"{before[cadence_id]['name']!r} was deleted")
    assert listed(org) == {key: value for key, value in before.items() if key != cadence_id}
    assert org.find(cadence_id) is None
    with pytest.raises(EditError):
        edits.delete(org, cadence_id)
    edits.restore(org, cadence_id)
    assert list(listed(org).items()) == list(before.items())
    with pytest.raises(EditError):
        edits.restore(org, cadence_id)


def test_a_users_new_label_shows_everywhere_and_modifies_nothing(org: SimOrg) -> None:
    user = org.ordered("id")[0].created_by
    before = listed(org)
    edits.relabel(user, "Someone Else")
    after = listed(org)
    for key, item in before.items():
        assert changed_keys(item, after[key]) <= {"created_by", "modified_by"}
    assert after[org.ordered("id")[0].id]["created_by"] == {"name": "Someone Else", "id": user.id}


def test_a_views_new_label_shows_everywhere_and_modifies_nothing(org: SimOrg) -> None:
    cadence = next(cadence for cadence in org.ordered("id") if cadence.view)
    assert cadence.view is not None
    before = listed(org)
    edits.relabel(cadence.view, "Other view")
    after = listed(org)
    for key, item in before.items():
        assert changed_keys(item, after[key]) <= {"custom_view"}
    assert after[cadence.id]["custom_view"] == {"name": "Other view", "id": cadence.view.id}


def test_random_edits_follow_the_generator() -> None:
    one, other, third = SimOrg(7, 0, 60), SimOrg(7, 0, 60), SimOrg(7, 0, 60)
    made = make_random_edits(one, 80, NOW, rng(3))
    assert made == make_random_edits(other, 80, NOW, rng(3))
    assert listed(one) == listed(other)
    assert made != make_random_edits(third, 80, NOW, rng(4))


def test_random_edits_are_a_mix_of_all_kinds(org: SimOrg) -> None:
    made = make_random_edits(org, 1500, NOW, rng(3))
    kinds = Counter(edit.kind for edit in made)
    assert len(made) == 1500
    assert set(kinds) == set(EDIT_KINDS)
    assert kinds["delete"] < kinds["rename"]
    names = [cadence.name for cadence in org.cadences.values()]
    assert len(names) == len(set(names))
    assert all(cadence.published or not cadence.active for cadence in org.cadences.values())


@pytest.mark.parametrize("kind", sorted(set(EDIT_KINDS) - {"restore"}))
def test_every_kind_of_edit_can_be_seen_in_the_lists(kind: str) -> None:
    for seed in range(5):
        org = SimOrg(seed, 0, 200)
        before = listed(org) | {"drafts": [c.draft for c in org.ordered("id")]}
        edit = make_random_edit(org, kind, NOW, rng(seed))
        assert edit.kind == kind
        assert before != listed(org) | {"drafts": [c.draft for c in org.ordered("id")]}


def test_a_random_change_is_always_a_change(org: SimOrg) -> None:
    cadence = next(cadence for cadence in org.ordered("id") if cadence.view)
    generator = rng(1)
    for kind in ("change_counts", "change_execution"):
        for _ in range(400):
            before = serializers.one_v8(cadence)
            make_random_edit(org, kind, NOW, generator, cadence.id)
            after = serializers.one_v8(cadence)
            assert (before["summary"], before["execution_details"]) != (after["summary"], after["execution_details"])


def test_one_edit_can_be_asked_for_by_kind_and_cadence(org: SimOrg) -> None:
    cadence_id = org.ordered("id")[5].id
    assert make_random_edit(org, "delete", NOW, rng(1), cadence_id).cadence_id == cadence_id
    assert make_random_edit(org, "restore", NOW, rng(1)).cadence_id == cadence_id
    for kind in ("restore", "nonsense"):
        with pytest.raises(EditError):
            make_random_edit(org, kind, NOW, rng(1))


def test_an_empty_organization_can_only_grow() -> None:
    for seed in range(20):
        kinds = [edit.kind for edit in make_random_edits(SimOrg(7, 0, 0), 3, NOW, rng(seed))]
        assert kinds[0] in {"create", "rename_user", "rename_view"}
    with pytest.raises(EditError):
        make_random_edit(SimOrg(7, 0, 0), "rename", NOW, rng(1))
