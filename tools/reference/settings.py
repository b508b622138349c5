"""The settings: names, types and defaults from the fields, meanings from the string below each in the source."""

import ast
import inspect
import types
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cadence_sync.config.settings import Settings
from tools.reference.markdown import table

GROUPS: Final = {
    "Database": ("database_", "data_dir"),
    "Zoho": ("zoho_",),
    "Web": ("web_",),
    "Alerts": ("alert",),
    "Running": ("",),
}
"""A setting belongs to the first group with a matching prefix; an empty group has no heading."""
WORDS: Final = {
    str: "text",
    int: "integer",
    float: "number",
    Path: "path",
    SecretStr: "secret",
    bool: "`true`, `false`",
}


def setting_sections() -> str:
    reported = meanings()
    groups: dict[str, list[list[str]]] = {group: [] for group in GROUPS}
    for name, field in Settings.model_fields.items():
        if name not in {"orgs", "alerts"}:  # tables of the file: explained by hand
            group = next(group for group, prefixes in GROUPS.items() if name.startswith(prefixes))
            groups[group].append([f"`{name.upper()}`", kind(field), default(field), reported[name]])
    titles = ("setting", "type", "default", "meaning")
    return "\n".join(f"## {group}\n\n{table(titles, rows)}" for group, rows in groups.items() if rows)


def meanings() -> dict[str, str]:
    """Returns the string below each setting, by name; a setting without one is absent."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(Settings)).body if isinstance(node, ast.ClassDef))
    return {
        node.target.id: inspect.cleandoc(said.value.value).replace("\n", " ")
        for node, said in pairwise(body)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) and isinstance(said.value.value, str)
    }


def kind(field: FieldInfo) -> str:
    options = [option for option in _options(field.annotation) if option is not type(None)]
    text = ", ".join(_word(option) for option in options)
    limits = [*field.metadata, *(limit for option in options for limit in _limits(option))]
    low = next((f"{limit.ge:g}" for limit in limits if hasattr(limit, "ge")), None)
    low = next((f"more than {limit.gt:g}" for limit in limits if hasattr(limit, "gt")), low)
    high = next((f"{limit.le:g}" for limit in limits if hasattr(limit, "le")), None)
    if low is None:
        return text
    return f"{text}, {low} to {high}" if high else f"{text}, at least {low}"


def default(field: FieldInfo) -> str:
    if field.default is None or field.default is PydanticUndefined:
        return "none"
    return f"`{field.default}`"


def _options(annotation: Any) -> list[Any]:
    return list(get_args(annotation)) if get_origin(annotation) in {Union, types.UnionType} else [annotation]


def _limits(option: Any) -> list[Any]:
    """Returns the limits of `Annotated[int, Field(ge=1)]` within a union."""
    return [limit for one in getattr(option, "__metadata__", ()) for limit in getattr(one, "metadata", ())]


def _word(option: Any) -> str:
    if get_origin(option) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(option))
    return "table" if get_origin(option) is dict else WORDS[getattr(option, "__origin__", option)]
