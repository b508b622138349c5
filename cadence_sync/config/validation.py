"""What is wrong with the settings, in words for people; pydantic's own are for programmers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cadence_sync.config.sources import PREFIX, variable_of
from cadence_sync.errors import SettingsError, docs_hint

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
"""Beginnings of pydantic's error types, and the message for each; the longest that fits counts."""


def explain(error: ValidationError, path: Path | None) -> SettingsError:
    """Returns the first error with the setting and the reason; pydantic's own text would show its value."""
    first = error.errors(include_input=False, include_url=False)[0]
    top, *rest = first["loc"]
    top = str(top).lower().removeprefix(PREFIX.lower())
    name = ".".join([top, *(part for part in rest if isinstance(part, str))])
    number = next((part for part in rest if isinstance(part, int)), None)
    rule = "" if number is None else f" (rule {number + 1})"
    if first["type"] == "extra_forbidden":
        return SettingsError(f"There is no setting {name!r}{rule} ({path}).", hint="Look for a misspelled name.")
    return SettingsError(f"{_place(top, name, path)}{rule} cannot work: {_reason(first)}.", hint=docs_hint("Settings"))


def _reason(found: Mapping[str, Any]) -> str:
    known = [kind for kind in _REASONS if found["type"].startswith(kind)]
    if known:
        return _REASONS[max(known, key=len)].format(**found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ")


def _place(top: str, name: str, path: Path | None) -> str:
    """Returns what a person would correct: the variable that is set, else the line of the file."""
    used = variable_of(top)
    if used is None and path is not None:
        return f"{name} in {path}"
    used = used or f"{PREFIX}{top.upper()}"
    return used if name == top else f"{name} in {used}"
