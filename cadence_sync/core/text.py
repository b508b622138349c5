"""Values as text on one line; imports little, since every command needs it. Pure."""

import json
from datetime import date, datetime
from typing import Any


def one_line(value: object) -> str:
    """Renders a value for people; control characters cannot move the cursor or fake a line."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=json_default)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def json_default(value: object) -> str:
    """Encodes for `json` what it has no form for: times as ISO 8601."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def value_in_words(value: Any) -> str:
    """Renders a value as the database spells it: `true`, not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else one_line(value)
