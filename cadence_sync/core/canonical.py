"""The canonical document of a cadence, which is Zoho's nested object without labels, and comparison of its fields."""

from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import msgspec

from cadence_sync.core.converters import UnreadableError, check_nul, read_day
from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.records import Config, FieldChange, FieldValue

_END_DATE = "end_date"
_SEVERAL = "multiple"


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
        return _SEVERAL
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


_PATHS = (*FIELDS, UNENROLL)


def to_document(config: Config) -> dict[str, object]:
    """Nests fields as Zoho does; an object whose fields are all known to be null is null."""
    return _nested(_TREE, config)[0]


def from_document(document: dict[str, object]) -> Config:
    config: Config = {}
    _collect("", document, config)
    return config


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


def _collect(path: str, document: dict[str, object], config: Config) -> None:
    if path == UNENROLL:
        config[UNENROLL] = None
    known = _PLACES[path]
    for key, value in document.items():
        place = known.get(key)
        if place is None:
            continue
        if isinstance(value, dict):
            _collect(place.path, value, config)
            continue
        config.update(place.below)
        if place.is_field:
            config[place.path] = value  # type: ignore[assignment]  # a document holds field values only


@dataclass(frozen=True, slots=True)
class _Node:
    """A key of a document; where its value is not an object, all fields `below` are null."""

    path: str
    is_field: bool
    below: Config


_Tree: TypeAlias = tuple[tuple[str, str, "_Tree"], ...]
"""Name, path and children of each child; fields have none, except the array of rules."""


def _tree(parent: str = "") -> _Tree:
    prefix = f"{parent}." if parent else ""
    names = dict.fromkeys(path[len(prefix) :].partition(".")[0] for path in FIELDS if path.startswith(prefix))
    return tuple((name, prefix + name, _tree(prefix + name)) for name in names)


def _nodes(parent: str, tree: _Tree) -> dict[str, dict[str, _Node]]:
    """Returns object path → key → its place."""
    nodes: dict[str, dict[str, _Node]] = {parent: {}}
    for name, path, children in tree:
        below: Config = {field: None for field in _PATHS if field.startswith(f"{path}.")}
        nodes[parent][name] = _Node(path, path in _PATHS, below)
        if children:
            nodes |= _nodes(path, children)
    return nodes


_TREE: Final = _tree()
_PLACES: Final = _nodes("", _TREE)
