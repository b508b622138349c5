"""The shape of a JSON value: its key sets, nesting and types, without its values."""

from typing import Any, TypeAlias

Shape: TypeAlias = dict[str, str]


def shape(value: Any, path: str = "$") -> Shape:
    """Return path → JSON type for everything inside a value; items of an array share the path `[]`."""
    found: Shape = {path: _type(value)}
    if isinstance(value, dict):
        for key, child in value.items():
            found |= shape(child, f"{path}.{key}")
    elif isinstance(value, list):
        for child in value:
            found |= shape(child, f"{path}[]")
    return found


def _type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]
