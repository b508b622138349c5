"""Every field has a title, an edit is described by what it changed, and a value takes one line."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.labels import (
    UNNAMED,
    describe_field,
    display_name,
    draft_in_words,
    field_title,
    humanize,
    json_default,
    one_line,
    plural,
    render_json,
    replace_controls,
    span,
    value_in_words,
    visible_changes,
    without_audit_fields,
)
from cadence_sync.core.records import FieldChange

TIME = datetime(2026, 3, 1, 9, 0, 5, 7, tzinfo=UTC)
PARENT = {"parent_cadence": {"id": "7", "name": "Welcome"}}
DRAFT = {"draft_cadence": {"id": "8", "name": None}}


def test_every_known_field_has_a_title_and_an_unknown_one_its_path() -> None:
    paths = [path for path in (*FIELDS, UNENROLL) if path != "id"]
    assert [path for path in paths if field_title(path) == path] == []
    assert field_title("summary.new_count") == "summary.new_count"


def test_fields_come_in_the_order_of_the_settings_without_those_that_every_edit_moves() -> None:
    fields = [FieldChange(path, 1, 2) for path in ("unknown", "modified_by.id", "status", "modified_time", "name")]
    assert [field.field for field in visible_changes(fields)] == ["name", "status", "unknown"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 minute"), (7200, "2 hours"), (200_000, "2 days")]
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize("name", [None, "", "  ", "\N{ZERO WIDTH SPACE}", "\N{RIGHT-TO-LEFT OVERRIDE} "])
def test_a_name_that_nobody_sees_has_words_instead(name: str | None) -> None:
    assert display_name(name) == UNNAMED
    assert display_name("a") == "a"


def test_one_is_not_many() -> None:
    assert (plural(1, "cadence"), plural(1200, "cadence")) == ("1 cadence", "1,200 cadences")
    assert (plural(1, "is", "are"), plural(0, "entry", "entries")) == ("1 is", "0 entries")


def test_words_of_zoho_are_taken_apart_and_names_are_not() -> None:
    assert humanize("type", "task_call") == "task call"
    assert humanize("name", "task_call") == "task_call"


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
    changes = without_audit_fields(changed_fields(from_document(before), from_document(after)))
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


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u2066"])
def test_text_of_several_lines_obeys_no_character(char: str) -> None:
    assert replace_controls(f"a{char}\tb\r\nc\rÎ") == "a\ufffd\tb\nc\nÎ"
    shown = render_json({"x": f"é{char}", "at": TIME}, for_terminal=True)
    assert (shown.isascii(), char in shown, json.loads(shown)["x"]) == (True, False, f"é{char}")
    assert "é" in render_json(["é"])
