"""What is wrong with a value of the settings, in words for people; pydantic's own are for programmers."""

from collections.abc import Mapping
from typing import Any, Final

_REASONS: Final = {
    "int": "expected a whole number",
    "float": "expected a number",
    "bool": "expected true or false",
    "string": "expected a text",
    "list": "expected a list",
    "dict": "expected a table",
    "model": "expected a table",
    "literal": "expected {expected}",
    "greater_than_equal": "expected {ge} or more",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected {le} or less",
    "too_short": "it must not be empty",
}
"""How the kinds of pydantic's errors begin, and what is said of them; the longest that fits counts."""


def reason(found: Mapping[str, Any]) -> str:
    """Return why one of pydantic's errors is one."""
    known = [kind for kind in _REASONS if found["type"].startswith(kind)]
    if known:
        return _REASONS[max(known, key=len)].format(**found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ")
