"""Every field has a title, and what said nothing of an edit is left out."""

import pytest

from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.labels import UNNAMED, display_name, field_title, humanize, plural, visible_changes
from cadence_sync.core.records import FieldChange


def test_every_known_field_has_a_title_and_an_unknown_one_its_path() -> None:
    paths = [path for path in (*FIELDS, UNENROLL) if path != "id"]
    assert [path for path in paths if field_title(path) == path] == []
    assert field_title("summary.new_count") == "summary.new_count"


def test_fields_come_in_the_order_of_the_settings_without_those_that_every_edit_moves() -> None:
    fields = [FieldChange(path, 1, 2) for path in ("unknown", "modified_by.id", "status", "modified_time", "name")]
    assert [field.field for field in visible_changes(fields)] == ["name", "status", "unknown"]


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
