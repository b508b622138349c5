"""Which leaves count as changed, and what is refreshed without a version."""

from typing import Any

import pytest

from cadence_sync.core.diff import Kind, Refresh
from cadence_sync.core.fields import PERIOD, UNENROLL, UNIT
from cadence_sync.core.records import FieldValue
from tests.core.memory import Memory, decode_one
from tests.support.records import record, without

EXECUTION: dict[str, Any] = record()["execution_details"]
RULES: list[object] = [{"id": "1", "type": "criteria"}]
ALL_EXECUTION: list[tuple[str, FieldValue]] = [
    ("execution_details.automatic_unenroll", False),
    (PERIOD, "hours"),
    (UNIT, 1),
    ("execution_details.type", "respond_email"),
    (f"{UNENROLL}.type", "respond_email"),
]


def _execution(**changes: object) -> dict[str, Any]:
    return record(execution_details=EXECUTION | changes)


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, FieldValue, FieldValue]]:
    memory = Memory()
    memory.sync(before)
    version = memory.only_version(after)
    assert version.kind is Kind.UPDATED
    return [(change.field, change.old, change.new) for change in version.changes]


def _refreshed(before: dict[str, Any], after: dict[str, Any]) -> Refresh:
    """Sync two listings of which the second makes no version, and return what it refreshes."""
    memory = Memory()
    memory.sync(before)
    plan = memory.sync(after)
    assert plan.versions == []
    assert plan.unchanged == plan.counters.seen == 1
    assert len(plan.refreshes) == 1
    again = memory.sync(after)
    assert (again.versions, again.refreshes) == ([], [])
    return plan.refreshes[0]


CHANGED: dict[str, tuple[dict[str, Any], list[tuple[str, FieldValue, FieldValue]]]] = {
    "a word": (record(status="inactive"), [("status", "active", "inactive")]),
    "to null": (record(name=None), [("name", "Welcome", None)]),
    "two leaves": (
        record(published=False, active=False),
        [("active", True, False), ("published", True, False)],
    ),
    "only the time of the last edit": (
        record(modified_time="2024-07-17T23:01:41-0700"),
        [("modified_time", "2024-07-18T06:01:40+00:00", "2024-07-18T06:01:41+00:00")],
    ),
    "another view": (
        record(custom_view={"id": 5, "name": "All Contacts"}),
        [("custom_view.id", "3652397000000087529", "5")],
    ),
    "immediately clears the unit": (
        _execution(execute_every={"period": "immediately"}),
        [(PERIOD, "hours", "immediately"), (UNIT, 1, None)],
    ),
    "an object that goes counts leaf by leaf": (
        record(execution_details=None),
        [(path, leaf, None) for path, leaf in ALL_EXECUTION],
    ),
    "the object form of a rule becomes the array form": (
        _execution(unenroll_properties=RULES),
        [(UNENROLL, None, RULES), (f"{UNENROLL}.type", "respond_email", None)],
    ),
}


@pytest.mark.parametrize(("after", "changes"), CHANGED.values(), ids=CHANGED)
def test_each_changed_leaf_is_one_change(
    after: dict[str, Any], changes: list[tuple[str, FieldValue, FieldValue]]
) -> None:
    assert _changes(record(), after) == changes


def test_an_object_that_comes_counts_leaf_by_leaf() -> None:
    assert _changes(record(execution_details=None), record()) == [(path, None, leaf) for path, leaf in ALL_EXECUTION]


def test_a_changed_rule_is_one_change_of_the_array() -> None:
    more = [*RULES, {"id": "2", "type": "criteria"}]
    before, after = _execution(unenroll_properties=RULES), _execution(unenroll_properties=more)
    assert _changes(before, after) == [(UNENROLL, RULES, more)]


def test_a_field_discovered_beside_a_change_is_in_the_version_and_no_change() -> None:
    memory = Memory()
    memory.sync(record())
    version = memory.only_version(record(name="New", description="Text"))
    assert [change.field for change in version.changes] == ["name"]
    assert version.row.config["description"] == "Text"


@pytest.mark.parametrize("key", sorted(record().keys() - {"id"}))
def test_a_key_that_is_not_sent_keeps_its_value(key: str) -> None:
    memory = Memory()
    memory.sync(record())
    plan = memory.sync(without(record(), key))
    assert (plan.versions, plan.refreshes, plan.unchanged) == ([], [], 1)
    changed = record(published=False, name="New")
    version = memory.only_version(without(changed, key))
    assert version.row.config == decode_one(changed | {key: record()[key]}).config


DISCOVERED: dict[str, tuple[dict[str, Any], dict[str, FieldValue]]] = {
    "a value": ({"description": "Text"}, {"description": "Text"}),
    "a null": ({"description": None}, {"description": None}),
    "a leaf of an object": (
        {"summary": record()["summary"] | {"whatsapp_follow_up_count": 0}},
        {"summary.whatsapp_follow_up_count": 0},
    ),
}


@pytest.mark.parametrize(("change", "discovered"), DISCOVERED.values(), ids=DISCOVERED)
def test_a_field_discovered_for_the_first_time_refreshes_the_row(
    change: dict[str, Any], discovered: dict[str, FieldValue]
) -> None:
    refresh = _refreshed(record(), record() | change)
    assert refresh.discovered == discovered
    assert refresh.row.config == decode_one(record() | change).config


def test_a_field_that_was_discovered_without_a_version_is_compared_from_then_on() -> None:
    memory = Memory()
    memory.sync(record())
    memory.sync(record(description="Text"))
    (change,) = memory.only_version(record(description="Other")).changes
    assert (change.field, change.old, change.new) == ("description", "Text", "Other")


LABELS: dict[str, tuple[dict[str, Any], str]] = {
    "the user": ({"modified_by": {"id": "3652397000000186017", "name": "New"}}, "modified_by.name"),
    "the creator": ({"created_by": {"id": "3652397000000186017", "name": "New"}}, "created_by.name"),
    "the module": ({"module": {"id": "3652397000000002179", "api_name": "New"}}, "module.api_name"),
    "the view": ({"custom_view": {"id": 3652397000000087529, "name": "New"}}, "custom_view.name"),
}


@pytest.mark.parametrize(("change", "label"), LABELS.values(), ids=LABELS)
def test_a_new_name_of_the_same_thing_refreshes_the_row(change: dict[str, Any], label: str) -> None:
    refresh = _refreshed(record(), record() | change)
    assert refresh.row.labels == decode_one(record()).labels | {label: "New"}
    assert refresh.discovered == {}


def test_a_thing_that_is_replaced_without_a_name_does_not_keep_the_old_name() -> None:
    memory = Memory()
    memory.sync(record())
    version = memory.only_version(record(custom_view={"id": 5}))
    assert version.row.labels == decode_one(record()).labels | {"custom_view.name": None}


def test_a_name_that_is_not_sent_is_kept_while_its_id_stays() -> None:
    memory = Memory()
    memory.sync(record())
    version = memory.only_version(record(name="New", custom_view={"id": 3652397000000087529}))
    assert version.row.labels["custom_view.name"] == "All Contacts"


def test_unknown_fields_refresh_the_row_and_stay_when_they_are_not_sent() -> None:
    memory = Memory()
    memory.sync(record(goal={"a": 1, "b": {"x": 1}}, rid="r"))
    plan = memory.sync(record(goal={"b": {"y": 2}, "c": 3}, rid=None))
    assert (plan.versions, len(plan.refreshes)) == ([], 1)
    assert plan.refreshes[0].row.extra == {"goal": {"a": 1, "b": {"x": 1, "y": 2}, "c": 3}, "rid": None}
    assert memory.sync(record()).refreshes == []


def test_an_unknown_object_replaces_an_unknown_word_and_the_other_way_round() -> None:
    memory = Memory()
    memory.sync(record(goal="a", rid={"b": 1}))
    plan = memory.sync(record(goal={"a": 1}, rid="b"))
    assert plan.refreshes[0].row.extra == {"goal": {"a": 1}, "rid": "b"}
