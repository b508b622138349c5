"""Values, changes and drafts as text on one line."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cadence_sync.core.text import json_default, one_line, value_in_words
from cadence_sync.core.version_text import describe_field, draft_in_words, returned_with, visible_changes

TIME = datetime(2026, 3, 1, 9, 0, 5, 7, tzinfo=UTC)
PARENT = {"parent_cadence": {"id": "7", "name": "Welcome"}}
DRAFT = {"draft_cadence": {"id": "8", "name": None}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (TIME, "2026-03-01 09:00:05"),
        ({"at": [TIME, "é"]}, '{"at": ["2026-03-01T09:00:05.000007+00:00", "é"]}'),
        ([date(2026, 3, 1)], '["2026-03-01"]'),
        (True, "True"),
        ("a\nb\x1b[2J", "a\ufffdb\ufffd[2J"),
    ],
)
def test_a_value_is_one_line_whatever_it_holds(value: object, text: str) -> None:
    assert one_line(value) == text


def test_only_times_are_encoded_for_json() -> None:
    assert json.loads(json.dumps(TIME, default=json_default)) == TIME.isoformat()
    with pytest.raises(TypeError, match="set has no JSON form"):
        json_default(set())


def test_words_are_those_of_the_database() -> None:
    assert [value_in_words(value) for value in (True, False, 1, None)] == ["true", "false", "1", "-"]


def test_a_return_is_described_by_what_differs() -> None:
    before = {"name": "A", "active": True, "status": "x", "modified_time": "2026-03-01T09:00:00Z"}
    after = {"name": "B", "active": False, "status": "x", "modified_time": "2026-03-02T09:00:00Z"}
    changes = visible_changes(returned_with(before, after))
    assert [describe_field(change) for change in changes] == ["active: true → false", "name: A → B"]


@pytest.mark.parametrize(
    ("before", "version", "text"),
    [
        (None, {}, None),
        (None, PARENT, "a draft of Welcome (7)"),
        (PARENT, {"kind": "deleted"}, "a draft of Welcome (7): it was merged by publishing, or discarded"),
        (PARENT, {}, None),
        (None, DRAFT, "an unpublished draft of it is without a name (8)"),
        (DRAFT, {}, "its draft without a name (8) is no more: it was merged by publishing, or discarded"),
        (DRAFT, {"kind": "deleted"}, None),
        (None, {"parent_cadence": "7", "draft_cadence": {}}, None),
    ],
)
def test_a_draft_and_its_parent_are_named(
    before: dict[str, Any] | None, version: dict[str, Any], text: str | None
) -> None:
    assert draft_in_words(before, {"kind": "updated"} | version) == text
