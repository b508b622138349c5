from typing import Any

import pytest

from cadence_sync.core.canonical import changed_fields, from_document, to_document
from cadence_sync.core.fields import FIELDS, LABELS, OBJECTS, UNENROLL
from cadence_sync.core.records import Config, FieldChange, FieldValue
from tests.core.memory import decode_one
from tests.support.records import record

RULES: list[object] = [{"id": "1", "type": "criteria"}]
NO_EXECUTION: Config = {
    path: None for path in (*FIELDS, UNENROLL) if path.startswith("execution_details.")
}  # fmt: skip


def test_a_document_is_nested_as_zoho_nests_it_and_holds_no_labels() -> None:
    assert to_document(decode_one(record()).config) == {
        "id": "1",
        "name": "Welcome",
        "type": "custom_view",
        "status": "active",
        "active": True,
        "published": True,
        "module": {"id": "3652397000000002179"},
        "custom_view": {"id": "3652397000000087529"},
        "created_time": "2024-07-18T03:38:22+00:00",
        "created_by": {"id": "3652397000000186017"},
        "modified_time": "2024-07-18T06:01:40+00:00",
        "modified_by": {"id": "3652397000000186017"},
        "summary": {"task_follow_up_count": 1, "call_follow_up_count": 1, "email_follow_up_count": 1},
        "execution_details": {
            "unenroll_properties": {"end_date": None, "type": "respond_email"},
            "end_date": None,
            "automatic_unenroll": False,
            "type": "respond_email",
            "execute_every": {"unit": 1, "period": "hours"},
        },
    }


DOCUMENTS: dict[str, tuple[Config, dict[str, Any]]] = {
    "nothing known": ({}, {}),
    "null leaf": ({"description": None}, {"description": None}),
    "null object": ({"custom_view.id": None}, {"custom_view": None}),
    "null object with null objects in it": (NO_EXECUTION, {"execution_details": None}),
    "object of which one leaf is not known": (
        {"execution_details.execute_every.unit": None},
        {"execution_details": {"execute_every": {"unit": None}}},
    ),
    "array form": (
        {UNENROLL: RULES, f"{UNENROLL}.type": None, f"{UNENROLL}.end_date": None},
        {"execution_details": {"unenroll_properties": RULES}},
    ),
    "object form": (
        {UNENROLL: None, f"{UNENROLL}.type": "date", f"{UNENROLL}.end_date": "2025-12-31"},
        {"execution_details": {"unenroll_properties": {"type": "date", "end_date": "2025-12-31"}}},
    ),
}


@pytest.mark.parametrize(("config", "document"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_and_its_leaves_say_the_same(config: Config, document: dict[str, Any]) -> None:
    assert to_document(config) == document
    assert from_document(document) == config


def test_what_a_later_version_put_into_a_document_is_no_leaf_of_this_one() -> None:
    assert from_document({"id": "1", "goal": "x", "module": {"id": "2", "kind": {"a": 1}}}) == {
        "id": "1",
        "module.id": "2",
    }


def test_changed_leaves_are_those_known_on_both_sides_in_the_order_of_their_paths() -> None:
    old: Config = {"name": "a", "description": "gone", "active": True, "status": None, UNENROLL: RULES}
    new: Config = {"status": "draft", "name": "b", "active": True, "published": True, UNENROLL: [*RULES]}
    assert changed_fields(old, new) == [FieldChange("name", "a", "b"), FieldChange("status", None, "draft")]


@pytest.mark.parametrize(
    ("old", "new"), [(None, RULES), (RULES, None), (RULES, [*RULES, *RULES]), ("a", None), (False, None)]
)
def test_coming_and_going_is_change(old: FieldValue, new: FieldValue) -> None:
    assert changed_fields({UNENROLL: old}, {UNENROLL: new}) == [FieldChange(UNENROLL, old, new)]


def test_every_label_belongs_to_an_id_beside_it() -> None:
    for label, id_path in LABELS.items():
        assert label.rpartition(".")[0] == id_path.rpartition(".")[0]
        assert id_path in FIELDS


def test_no_leaf_is_an_object_too() -> None:
    assert not OBJECTS & set(FIELDS)
    assert UNENROLL in OBJECTS
