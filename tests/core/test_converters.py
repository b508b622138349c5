from contextlib import nullcontext

import pytest

from cadence_sync.core.converters import ID_LENGTH_MAX, READERS, UnreadableError, check_nul, read_text
from cadence_sync.core.fields import FIELDS, FieldType
from cadence_sync.core.normalize import _read
from cadence_sync.core.records import FieldValue

READ: list[tuple[FieldType, object, FieldValue]] = [
    (FieldType.TEXT, "null", "null"),
    (FieldType.TEXT, " ", " "),
    (FieldType.TEXT, "Ünï 💫", "Ünï 💫"),
    (FieldType.ID, "007", "007"),
    (FieldType.ID, 3652397000000087529, "3652397000000087529"),
    (FieldType.ID, 0, "0"),
    (FieldType.ID, "9" * ID_LENGTH_MAX, "9" * ID_LENGTH_MAX),
    (FieldType.ID, "5b5e31a2-7ad1-4a5c-9f0e-0d9f4cbbf6de", "5b5e31a2-7ad1-4a5c-9f0e-0d9f4cbbf6de"),
    (FieldType.STATUS, True, "active"),
    (FieldType.STATUS, False, "inactive"),
    (FieldType.STATUS, "paused", "paused"),
    (FieldType.TYPE, "Custom view", "custom_view"),
    (FieldType.TYPE, "Manual enrollment", "manual_enrollment"),
    (FieldType.TYPE, "manual_enrollment", "manual_enrollment"),
    (FieldType.TYPE, "Smart view", "Smart view"),
    (FieldType.FLAG, False, False),
    (FieldType.FLAG, "TRUE", True),
    (FieldType.FLAG, "false", False),
    (FieldType.COUNT, 0, 0),
    (FieldType.COUNT, "12", 12),
    (FieldType.COUNT, "-1", -1),
    (FieldType.COUNT, 3.0, 3),
    (FieldType.COUNT, 2**31 - 1, 2147483647),
    (FieldType.INSTANT, "2024-07-17T20:38:22-0700", "2024-07-18T03:38:22+00:00"),
    (FieldType.INSTANT, "2025-01-01T16:43:11+05:30", "2025-01-01T11:13:11+00:00"),
    (FieldType.INSTANT, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00+00:00"),
    (FieldType.INSTANT, "2025-01-01T00:00:00.123456+00:00", "2025-01-01T00:00:00.123456+00:00"),
    (FieldType.DAY, "2025-12-31", "2025-12-31"),
    (FieldType.DAY, "2025-12-31T23:30:00-0800", "2025-12-31"),
    (FieldType.DAY, "2024-02-29", "2024-02-29"),
]


def read_leaf(path: str, leaf_type: FieldType, value: object) -> FieldValue:
    return _read((path, READERS[leaf_type]), value)


@pytest.mark.parametrize(("leaf_type", "value", "canonical"), READ)
def test_a_value_is_read_as_its_canonical_form(leaf_type: FieldType, value: object, canonical: FieldValue) -> None:
    read = read_leaf("path", leaf_type, value)
    assert (type(read), read) == (type(canonical), canonical)


REFUSED: list[tuple[FieldType, object, str]] = [
    (FieldType.TEXT, 5, "expected text, got a number"),
    (FieldType.TEXT, 0.5, "expected text, got a number"),
    (FieldType.TEXT, False, "expected text, got a boolean"),
    (FieldType.TEXT, ["a"], "expected text, got an array"),
    (FieldType.TEXT, {}, "expected text, got an object"),
    (FieldType.TEXT, "a\0b", "U+0000"),
    (FieldType.ID, True, "expected an id, got a boolean"),
    (FieldType.ID, 1.5, "expected an id, got a number"),
    (FieldType.ID, "1\0", "U+0000"),
    (FieldType.ID, "9" * (ID_LENGTH_MAX + 1), "too long"),
    (FieldType.ID, 10**ID_LENGTH_MAX, "too long"),
    (FieldType.STATUS, 1, "expected text"),
    (FieldType.TYPE, ["Custom view"], "expected text, got an array"),
    (FieldType.FLAG, 1, "expected true or false, got a number"),
    (FieldType.FLAG, "yes", "expected true or false, got text"),
    (FieldType.COUNT, True, "expected a whole number, got a boolean"),
    (FieldType.COUNT, 1.5, "expected a whole number, got a number"),
    (FieldType.COUNT, "1.0", "expected a whole number, got text"),
    (FieldType.COUNT, 2**31, "too large"),
    (FieldType.COUNT, "-9999999999", "too large"),
    (FieldType.COUNT, 1e300, "too large"),
    (FieldType.INSTANT, "2024-07-17T20:38:22", "no offset"),
    (FieldType.INSTANT, "2024-07-17", "no offset"),
    (FieldType.INSTANT, "yesterday", "not a time"),
    (FieldType.INSTANT, "2024-02-30T00:00:00Z", "not a time"),
    (FieldType.INSTANT, "9999-12-31T23:59:59-07:00", "not a time that can be stored"),
    (FieldType.INSTANT, 1721273902, "expected text, got a number"),
    (FieldType.DAY, "31.12.2025", "not a date"),
    (FieldType.DAY, "2025-12-311", "not a date"),
    (FieldType.DAY, "2025-02-29", "not a date that can be stored"),
    (FieldType.DAY, 20251231, "expected text, got a number"),
]


@pytest.mark.parametrize(("leaf_type", "value", "reason"), REFUSED)
def test_a_value_without_a_faithful_place_is_refused_with_its_path(
    leaf_type: FieldType, value: object, reason: str
) -> None:
    with pytest.raises(UnreadableError) as raised:
        read_leaf("summary.path", leaf_type, value)
    assert str(raised.value).startswith("summary.path: ")
    assert reason in str(raised.value)


@pytest.mark.parametrize("leaf_type", FieldType)
@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_are_one_for_every_type(leaf_type: FieldType, nothing: object) -> None:
    assert read_leaf("path", leaf_type, nothing) is None


def test_null_is_called_null_where_text_is_needed() -> None:
    with pytest.raises(UnreadableError, match="got null"):
        read_text(None)


def test_every_type_of_leaf_is_used() -> None:
    assert set(FIELDS.values()) == set(FieldType)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\0", True),
        ("\\\0", True),
        ({"a\0": 1}, True),
        ([{"a": ["b", "\0"]}], True),
        (r"\u0000", False),
        (r"C:\\u0000", False),
        ({"a": "u0000"}, False),
    ],
)
def test_the_character_is_reported_from_its_escape_written_out(value: object, expected: bool) -> None:
    with pytest.raises(UnreadableError, match="x: text holds") if expected else nullcontext():
        check_nul("x", value)
