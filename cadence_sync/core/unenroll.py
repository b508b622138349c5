"""The array form of `unenroll_properties`: rules `{id, type, details}`, of v8's single cadence and v9."""

import msgspec

from cadence_sync.core.converters import UnreadableError, holds_nul, read_day
from cadence_sync.core.fields import UNENROLL
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
