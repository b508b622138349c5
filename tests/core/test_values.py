import pytest

from cadence_sync.core.fields import LEAVES, LeafType
from cadence_sync.core.model import Leaf
from cadence_sync.core.reader import _read
from cadence_sync.core.values import ID_LENGTH_MAX, READERS, UnreadableError, holds_nul, read_text

READ: list[tuple[LeafType, object, Leaf]] = [
    (LeafType.TEXT, "null", "null"),
    (LeafType.TEXT, " ", " "),
    (LeafType.TEXT, "Ünï 💫", "Ünï 💫"),
    (LeafType.ID, "007", "007"),
    (LeafType.ID, 3652397000000087529, "3652397000000087529"),
    (LeafType.ID, 0, "0"),
    (LeafType.ID, "9" * ID_LENGTH_MAX, "9" * ID_LENGTH_MAX),
    (LeafType.ID, "5b5e31a2-7ad1-4a5c-9f0e-0d9f4cbbf6de", "5b5e31a2-7ad1-4a5c-9f0e-0d9f4cbbf6de"),
    (LeafType.STATUS, True, "active"),
    (LeafType.STATUS, False, "inactive"),
    (LeafType.STATUS, "paused", "paused"),
    (LeafType.TYPE, "Custom view", "custom_view"),
    (LeafType.TYPE, "Manual enrollment", "manual_enrollment"),
    (LeafType.TYPE, "manual_enrollment", "manual_enrollment"),
    (LeafType.TYPE, "Smart view", "Smart view"),
    (LeafType.FLAG, False, False),
    (LeafType.FLAG, "TRUE", True),
    (LeafType.FLAG, "false", False),
    (LeafType.COUNT, 0, 0),
    (LeafType.COUNT, "12", 12),
    (LeafType.COUNT, "-1", -1),
    (LeafType.COUNT, 3.0, 3),
    (LeafType.COUNT, 2**31 - 1, 2147483647),
    (LeafType.INSTANT, "2024-07-17T20:38:22-0700", "2024-07-18T03:38:22+00:00"),
    (LeafType.INSTANT, "2025-01-01T16:43:11+05:30", "2025-01-01T11:13:11+00:00"),
    (LeafType.INSTANT, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00+00:00"),
    (LeafType.INSTANT, "2025-01-01T00:00:00.123456+00:00", "2025-01-01T00:00:00.123456+00:00"),
    (LeafType.DAY, "2025-12-31", "2025-12-31"),
    (LeafType.DAY, "2025-12-31T23:30:00-0800", "2025-12-31"),
    (LeafType.DAY, "2024-02-29", "2024-02-29"),
]


def read_leaf(path: str, leaf_type: LeafType, value: object) -> Leaf:
    return _read((path, READERS[leaf_type]), value)


@pytest.mark.parametrize(("leaf_type", "value", "canonical"), READ)
def test_a_value_is_read_as_its_canonical_form(leaf_type: LeafType, value: object, canonical: Leaf) -> None:
    read = read_leaf("path", leaf_type, value)
    assert (type(read), read) == (type(canonical), canonical)


REFUSED: list[tuple[LeafType, object, str]] = [
    (LeafType.TEXT, 5, "expected text, got a number"),
    (LeafType.TEXT, 0.5, "expected text, got a number"),
    (LeafType.TEXT, False, "expected text, got a boolean"),
    (LeafType.TEXT, ["a"], "expected text, got an array"),
    (LeafType.TEXT, {}, "expected text, got an object"),
    (LeafType.TEXT, "a\0b", "U+0000"),
    (LeafType.ID, True, "expected an id, got a boolean"),
    (LeafType.ID, 1.5, "expected an id, got a number"),
    (LeafType.ID, "1\0", "U+0000"),
    (LeafType.ID, "9" * (ID_LENGTH_MAX + 1), "too long"),
    (LeafType.ID, 10**ID_LENGTH_MAX, "too long"),
    (LeafType.STATUS, 1, "expected text"),
    (LeafType.TYPE, ["Custom view"], "expected text, got an array"),
    (LeafType.FLAG, 1, "expected true or false, got a number"),
    (LeafType.FLAG, "yes", "expected true or false, got text"),
    (LeafType.COUNT, True, "expected a whole number, got a boolean"),
    (LeafType.COUNT, 1.5, "expected a whole number, got a number"),
    (LeafType.COUNT, "1.0", "expected a whole number, got text"),
    (LeafType.COUNT, 2**31, "too large"),
    (LeafType.COUNT, "-9999999999", "too large"),
    (LeafType.COUNT, 1e300, "too large"),
    (LeafType.INSTANT, "2024-07-17T20:38:22", "no offset"),
    (LeafType.INSTANT, "2024-07-17", "no offset"),
    (LeafType.INSTANT, "yesterday", "not a time"),
    (LeafType.INSTANT, "2024-02-30T00:00:00Z", "not a time"),
    (LeafType.INSTANT, "9999-12-31T23:59:59-07:00", "not a time that can be stored"),
    (LeafType.INSTANT, 1721273902, "expected text, got a number"),
    (LeafType.DAY, "31.12.2025", "not a date"),
    (LeafType.DAY, "2025-12-311", "not a date"),
    (LeafType.DAY, "2025-02-29", "not a date that can be stored"),
    (LeafType.DAY, 20251231, "expected text, got a number"),
]


@pytest.mark.parametrize(("leaf_type", "value", "reason"), REFUSED)
def test_a_value_without_a_faithful_place_is_refused_with_its_path(
    leaf_type: LeafType, value: object, reason: str
) -> None:
    with pytest.raises(UnreadableError) as raised:
        read_leaf("summary.path", leaf_type, value)
    assert str(raised.value).startswith("summary.path: ")
    assert reason in str(raised.value)


@pytest.mark.parametrize("leaf_type", LeafType)
@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_are_one_for_every_type(leaf_type: LeafType, nothing: object) -> None:
    assert read_leaf("path", leaf_type, nothing) is None


def test_null_is_called_null_where_text_is_needed() -> None:
    with pytest.raises(UnreadableError, match="got null"):
        read_text(None)


def test_every_type_of_leaf_is_used() -> None:
    assert set(LEAVES.values()) == set(LeafType)


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
def test_the_character_is_told_from_its_escape_written_out(value: object, expected: bool) -> None:
    assert holds_nul(value) is expected
