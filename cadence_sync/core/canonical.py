"""The canonical document of a cadence, which is Zoho's nested object without labels, and comparison of its fields."""

from functools import partial
from typing import Final, TypeAlias, cast

import msgspec

from cadence_sync.core.converters import UnreadableError, check_nul, read_day
from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.records import Config, FieldChange, FieldValue

_END_DATE = "end_date"


def read_rules(rules: list[object]) -> list[object] | None:
    """Returns the rules unchanged, or None for none; raises `UnreadableError` for unreadable types or dates."""
    check_nul(UNENROLL, rules)
    for rule in rules:
        if not isinstance(rule, dict) or not isinstance(rule.get("type"), str):
            raise UnreadableError(f"{UNENROLL}: expected rules with a type")
    _end_date(rules)
    return rules or None


def unenroll_type(config: Config) -> FieldValue:
    rules = config.get(UNENROLL)
    if not isinstance(rules, list):
        return config.get(f"{UNENROLL}.type")
    if len(rules) != 1:
        return "multiple"
    (rule,) = rules
    return str(rule["type"]) if isinstance(rule, dict) else ""


def unenroll_end_date(config: Config) -> FieldValue:
    rules = config.get(UNENROLL)
    return _end_date(rules) if isinstance(rules, list) else config.get(f"{UNENROLL}.end_date")


def canonical_value(value: FieldValue) -> object:
    """Returns a form in which two spellings of one value are equal.

    Rules have no order, a null or empty key equals an absent one, and ids are numbers or text.
    """
    if not isinstance(value, list):
        return value
    return sorted(map(_canonical, value), key=partial(msgspec.json.encode, order="deterministic"))


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        canonical = {
            key: str(child) if key == "id" and isinstance(child, int) else _canonical(child)
            for key, child in value.items()
        }
        return {key: child for key, child in canonical.items() if child not in (None, "", {}, [])}
    if isinstance(value, list):
        return [_canonical(child) for child in value]
    return value


def _end_date(rules: list[object]) -> str | None:
    for rule in rules:
        if isinstance(rule, dict) and rule.get("type") == _END_DATE and isinstance(rule.get("details"), dict):
            written = rule["details"].get("unenroll_date") or rule["details"].get(_END_DATE)
            if written:
                try:
                    return read_day(written)
                except UnreadableError as error:
                    raise UnreadableError(f"{UNENROLL}: {error}") from error
    return None


def to_document(config: Config) -> dict[str, object]:
    """Nests fields as Zoho does; an object whose fields are all known to be null is null."""
    return _nested(_TREE, config)[0]


def from_document(document: dict[str, object]) -> Config:
    values = {path: _value_at(document, keys) for path, keys in _KEYS.items()}
    return cast("Config", {path: value for path, value in values.items() if value is not _ABSENT})


def changed_fields(old: Config, new: Config) -> list[FieldChange]:
    """Compares the fields that are known on both sides; the result is sorted by path."""
    differing = sorted(path for path, value in new.items() if path in old and old[path] != value)
    return [
        FieldChange(path, old[path], new[path])
        for path in differing
        if canonical_value(old[path]) != canonical_value(new[path])
    ]


def _nested(tree: "_Tree", config: Config) -> tuple[dict[str, object], bool]:
    """Returns the known part of an object, and whether all of its fields are known to be null."""
    document: dict[str, object] = {}
    is_null = True
    for name, path, children in tree:
        if path in config and (not children or config[path] is not None):
            document[name] = value = config[path]
            is_null = is_null and value is None
        elif not children:
            is_null = False
        else:
            inner, inner_is_null = _nested(children, config)
            if inner_is_null and (path != UNENROLL or path in config):
                document[name] = None
            else:
                is_null = False
                if inner or path in config:
                    document[name] = inner
    return document, is_null


def _value_at(document: object, keys: list[str]) -> object:
    """Returns None for what is below a null or an array of rules, and for the array where the rule is an object."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        if key not in document:
            return _ABSENT
        document = document[key]
    return None if isinstance(document, dict) else document


_Tree: TypeAlias = tuple[tuple[str, str, "_Tree"], ...]
"""Name, path and children of each child; fields have none, except the array of rules."""


def _tree(parent: str = "") -> _Tree:
    prefix = f"{parent}." if parent else ""
    names = dict.fromkeys(path[len(prefix) :].partition(".")[0] for path in FIELDS if path.startswith(prefix))
    return tuple((name, prefix + name, _tree(prefix + name)) for name in names)


_TREE: Final = _tree()
_KEYS: Final = {path: path.split(".") for path in (*FIELDS, UNENROLL)}
_ABSENT: Final = object()
