"""Converters of single fields: every spelling that Zoho uses of a value becomes one canonical value.

Each takes a decoded JSON value, but never null or "", and raises `UnreadableError` where it cannot be stored.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from cadence_sync.core.fields import FieldType
from cadence_sync.core.records import FieldValue

INTEGER_MAX: Final = 2**31 - 1
ID_LENGTH_MAX: Final = 255
"""Characters: an index entry of Postgres holds at most some 2,700 bytes; Zoho's longest ids have 36."""
_NUL: Final = "text holds the character U+0000, which Postgres cannot store"
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(T.*)?", re.DOTALL)
_WHOLE_NUMBER = re.compile(r"-?\d{1,19}")
_ENCODED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_TYPES: Final = {"Custom view": "custom_view", "Manual enrollment": "manual_enrollment"}


class UnreadableError(ValueError):
    """A value that its column cannot hold faithfully; the text is the reason."""


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"expected text, got {_kind(value)}")
    if "\x00" in value:
        raise UnreadableError(_NUL)
    return value


def check_nul(where: str, value: object) -> None:
    """Refuses a JSON value with U+0000 in any text; the escape written out as six characters is harmless."""
    if _ENCODED_NUL.search(msgspec.json.encode(value)):
        raise UnreadableError(f"{where}: {_NUL}")


def read_id(value: object) -> str:
    """Zoho sends ids as strings, and `custom_view.id` as a number above 2^53."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnreadableError(f"expected an id, got {_kind(value)}")
    text = read_text(str(value))
    if len(text) > ID_LENGTH_MAX:
        raise UnreadableError("id is too long to be indexed")
    return text


def read_status(value: object) -> str:
    """Zoho documents a boolean and sends the words `active` and `inactive`."""
    if isinstance(value, bool):
        return "active" if value else "inactive"
    return read_text(value)


def read_type(value: object) -> str:
    """Returns the spelling of v8's single-cadence endpoint; v7 spells it `Custom view`."""
    text = read_text(value)
    return _TYPES.get(text, text)


def read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise UnreadableError(f"expected true or false, got {_kind(value)}")


def read_count(value: object) -> int:
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableError(f"expected a whole number, got {_kind(value)}")
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise UnreadableError("number is too large for an integer column")
    return value


def read_instant(value: object) -> str:
    """Returns an instant in UTC; without an offset, a time is not an instant."""
    text = read_text(value)
    try:
        instant = datetime.fromisoformat(text)
        in_utc = instant.astimezone(UTC).isoformat() if instant.tzinfo else None
    except (ValueError, OverflowError) as error:
        raise UnreadableError("not a time that can be stored") from error
    if in_utc is None:
        raise UnreadableError("time has no offset from UTC")
    return in_utc


def read_day(value: object) -> str:
    """Returns the calendar day as it was written, whether a date or a full timestamp was sent."""
    match = _DAY.fullmatch(read_text(value))
    if match is None:
        raise UnreadableError("not a date")
    try:
        return date.fromisoformat(match[1]).isoformat()
    except ValueError as error:
        raise UnreadableError("not a date that can be stored") from error


_KINDS: Final[dict[type, str]] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "an array",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null")


READERS: Final[dict[FieldType, Callable[[object], FieldValue]]] = {
    FieldType.TEXT: read_text,
    FieldType.ID: read_id,
    FieldType.STATUS: read_status,
    FieldType.TYPE: read_type,
    FieldType.FLAG: read_flag,
    FieldType.COUNT: read_count,
    FieldType.INSTANT: read_instant,
    FieldType.DAY: read_day,
}
