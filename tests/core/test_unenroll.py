from typing import Any

import pytest

from cadence_sync.core.canonical import canonical_value, read_rules, unenroll_end_date, unenroll_type
from cadence_sync.core.converters import UnreadableError
from cadence_sync.core.fields import UNENROLL
from cadence_sync.core.records import Config, FieldValue

CRITERIA: dict[str, Any] = {"id": "8", "type": "criteria", "details": {"criteria": {"value": "123"}}}
ENDS: dict[str, Any] = {"id": "6", "type": "end_date", "details": {"unenroll_date": "2025-11-30"}}


def _array(*rules: object) -> Config:
    return {UNENROLL: list(rules), f"{UNENROLL}.type": None, f"{UNENROLL}.end_date": None}


def _object(kind: str | None, end_date: str | None) -> Config:
    return {UNENROLL: None, f"{UNENROLL}.type": kind, f"{UNENROLL}.end_date": end_date}


@pytest.mark.parametrize(
    ("config", "kind", "end_date"),
    [
        ({}, None, None),
        (_object(None, None), None, None),
        (_object("respond_email", None), "respond_email", None),
        (_object("date", "2025-12-31"), "date", "2025-12-31"),
        (_array(CRITERIA), "criteria", None),
        (_array(ENDS), "end_date", "2025-11-30"),
        (_array(CRITERIA, ENDS), "multiple", "2025-11-30"),
        (_array(CRITERIA, CRITERIA), "multiple", None),
        (_array(ENDS | {"details": {"end_date": "2025-12-01T10:00:00+00:00"}}), "end_date", "2025-12-01"),
        (_array(ENDS | {"details": {"unenroll_date": "", "end_date": None}}), "end_date", None),
        (_array(ENDS | {"details": None}), "end_date", None),
        (_array(ENDS | {"details": None}, ENDS), "multiple", "2025-11-30"),
        (_array("no rule"), "", None),
    ],
)
def test_either_form_tells_a_type_and_a_date(config: Config, kind: FieldValue, end_date: FieldValue) -> None:
    assert (unenroll_type(config), unenroll_end_date(config)) == (kind, end_date)


def test_rules_are_kept_as_they_were_sent() -> None:
    assert read_rules([CRITERIA, ENDS]) == [CRITERIA, ENDS]


def test_no_rules_are_null() -> None:
    assert read_rules([]) is None


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (["end_date"], "expected rules with a type"),
        ([None], "expected rules with a type"),
        ([{"id": "1"}], "expected rules with a type"),
        ([{"id": "1", "type": 5}], "expected rules with a type"),
        ([CRITERIA, ENDS | {"details": {"unenroll_date": "soon"}}], "not a date"),
        ([ENDS | {"details": {"unenroll_date": 20251130}}], "expected text, got a number"),
        ([CRITERIA | {"details": {"value": "\0"}}], "U+0000"),
        ([CRITERIA | {"\0": 1}], "U+0000"),
    ],
)
def test_rules_that_cannot_be_stored_are_refused(rules: list[object], reason: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        read_rules(rules)
    assert str(raised.value).startswith(f"{UNENROLL}: ")
    assert reason in str(raised.value)


NESTED = {"id": "1", "type": "a", "details": {"list": [{"id": "2", "x": "y"}]}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([CRITERIA, ENDS], [ENDS, CRITERIA]),
        ([CRITERIA], [dict(reversed(CRITERIA.items()))]),
        ([CRITERIA], [CRITERIA | {"state": None}]),
        ([CRITERIA], [CRITERIA | {"state": ""}]),
        ([CRITERIA], [CRITERIA | {"id": 8}]),
        ([CRITERIA | {"id": {"a": 1}}], [CRITERIA | {"id": {"a": 1, "b": None}}]),
        ([NESTED], [NESTED | {"details": {"list": [{"x": "y", "id": 2, "z": None}]}}]),
    ],
)
def test_spellings_of_the_same_rules_compare_equal(one: list[object], other: list[object]) -> None:
    assert canonical_value(one) == canonical_value(other)


@pytest.mark.parametrize(
    "other",
    [
        [CRITERIA],
        [CRITERIA, CRITERIA],
        [CRITERIA, ENDS, ENDS],
        [CRITERIA, ENDS | {"id": "7"}],
        [CRITERIA, ENDS | {"details": {"unenroll_date": "2025-12-01"}}],
        [CRITERIA, ENDS | {"details": {"specific": False}}],
        [CRITERIA | {"details": {"criteria": {"value": 123}}}, ENDS],
        None,
    ],
)
def test_other_rules_compare_unequal(other: FieldValue) -> None:
    assert canonical_value(other) != canonical_value([CRITERIA, ENDS])


@pytest.mark.parametrize("leaf", ["text", 0, False, None])
def test_a_plain_leaf_is_compared_as_it_is(leaf: FieldValue) -> None:
    assert canonical_value(leaf) is leaf
