"""The canonical document of a cadence: Zoho's nested object without labels, and back to leaves."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from cadence_sync.core.converters import UnreadableError, holds_nul, read_day
from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.records import Config, FieldValue

_END_DATE = "end_date"
_SEVERAL = "multiple"


def read_rules(rules: list[object]) -> list[object] | None:
    """Return the rules as they were sent, once their types and dates are known to be readable."""
    if holds_nul(rules):
        raise UnreadableError(f"{UNENROLL}: text holds the character U+0000, which Postgres cannot store")
    for rule in rules:
        if not isinstance(rule, dict) or not isinstance(rule.get("type"), str):
            raise UnreadableError(f"{UNENROLL}: expected rules with a type")
    _end_date(rules)
    return rules or None


def unenroll_type(config: Config) -> FieldValue:
    """Return the type of the only rule, `multiple` for several."""
    rules = config.get(UNENROLL)
    if not isinstance(rules, list):
        return config.get(f"{UNENROLL}.type")
    return _rule_type(rules[0]) if len(rules) == 1 else _SEVERAL


def unenroll_end_date(config: Config) -> FieldValue:
    """Return the date of the rule that ends on a date, as `YYYY-MM-DD`."""
    rules = config.get(UNENROLL)
    return _end_date(rules) if isinstance(rules, list) else config.get(f"{UNENROLL}.end_date")


def canonical_value(leaf: FieldValue) -> object:
    """Return a form in which two spellings of one value are equal.

    Rules have no order, a key that is null or empty is as good as absent, and ids come as numbers or as text.
    """
    if not isinstance(leaf, list):
        return leaf
    return sorted((_canonical(rule) for rule in leaf), key=_as_bytes)


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        canonical = {key: _canonical_of(key, child) for key, child in value.items()}
        return {key: child for key, child in canonical.items() if child not in (None, "", {}, [])}
    if isinstance(value, list):
        return [_canonical(child) for child in value]
    return value


def _canonical_of(key: str, child: object) -> object:
    return str(child) if key == "id" and isinstance(child, int) else _canonical(child)


def _as_bytes(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _rule_type(rule: object) -> str:
    return str(rule["type"]) if isinstance(rule, dict) else ""


def _end_date(rules: list[object]) -> str | None:
    for rule in rules:
        if isinstance(rule, dict) and rule.get("type") == _END_DATE and isinstance(rule.get("details"), dict):
            written = rule["details"].get("unenroll_date") or rule["details"].get(_END_DATE)
            if written:
                return _read_rule_day(written)
    return None


def _read_rule_day(written: object) -> str:
    try:
        return read_day(written)
    except UnreadableError as error:
        raise UnreadableError(f"{UNENROLL}: {error}") from error


_PATHS = (*FIELDS, UNENROLL)


def to_document(config: Config) -> dict[str, object]:
    """Nest leaves as Zoho nests them; an object of which every leaf is known to be null is null."""
    return _nested(_TREE, config)[0]


def from_document(document: dict[str, object]) -> Config:
    """Return the leaves that a document holds: the inverse of `to_document`."""
    config: Config = {}
    _collect("", document, config)
    return config


def changed_fields(old: Config, new: Config) -> list[tuple[str, FieldValue, FieldValue]]:
    """Return (path, old, new) of each leaf known on both sides whose value is not the same."""
    differing = sorted(path for path, leaf in new.items() if path in old and old[path] != leaf)
    return [
        (path, old[path], new[path]) for path in differing if canonical_value(old[path]) != canonical_value(new[path])
    ]


def _nested(tree: "_Tree", config: Config) -> tuple[dict[str, object], bool]:
    """Return what is known of an object, and whether all of its leaves are known to be null."""
    document: dict[str, object] = {}
    is_null = True
    for name, path, children in tree:
        if path in config and (not children or config[path] is not None):
            document[name] = leaf = config[path]
            is_null = is_null and leaf is None
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
        if place.is_leaf:
            config[place.path] = value  # type: ignore[assignment]  # a document holds leaves only


@dataclass(frozen=True, slots=True)
class _Node:
    """Where a key of a document belongs; where it holds no object, all leaves `below` are null."""

    path: str
    is_leaf: bool
    below: Config


_Tree: TypeAlias = tuple[tuple[str, str, "_Tree"], ...]
"""Of each child its name, its path and its own children: none for a leaf. The array of rules is a leaf with some."""


def _tree(parent: str = "") -> _Tree:
    prefix = f"{parent}." if parent else ""
    names = dict.fromkeys(path[len(prefix) :].partition(".")[0] for path in FIELDS if path.startswith(prefix))
    return tuple((name, prefix + name, _tree(prefix + name)) for name in names)


def _nodes() -> dict[str, dict[str, _Node]]:
    """Return object path → key → its place."""
    places: dict[str, dict[str, _Node]] = {}

    def place(parent: str, tree: _Tree) -> None:
        places[parent] = {}
        for name, path, children in tree:
            below: Config = {leaf: None for leaf in _PATHS if leaf.startswith(f"{path}.")}
            places[parent][name] = _Node(path, path in _PATHS, below)
            if children:
                place(path, children)

    place("", _TREE)
    return places


_TREE: Final = _tree()
_PLACES: Final = _nodes()
