"""Random cadences as canonical facts, and Zoho's many ways to spell one and the same of them."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from cadence_sync.core.fields import FIELDS, LABELS, OBJECTS, PERIOD, UNENROLL, UNIT, FieldType
from cadence_sync.core.records import Config, FieldValue, Labels
from tests.support.examples import examples

PROPERTY = settings(max_examples=examples(100), deadline=None)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
WORDS = st.sampled_from(["one", "two", "Ünï 💫", "true", "0"]) | TEXT
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31)).map(str)
IDS = st.sampled_from(["1", "2001", "3652397000000087529"]) | st.integers(2**53, 2**63).map(str)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
EXTRA: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.sampled_from(["rid", "Owner.name", "draft_cadence", "locked"]), JSON, max_size=2
)
RULES: st.SearchStrategy[FieldValue] = st.lists(
    st.fixed_dictionaries(
        {"id": IDS, "type": st.sampled_from(["criteria", "automatic_unenroll"])},
        optional={"details": st.fixed_dictionaries({"state": TEXT})},
    ),
    min_size=1,
    max_size=3,
).map(list[object])

_VALUES: dict[FieldType, st.SearchStrategy[FieldValue]] = {
    FieldType.TEXT: WORDS,
    FieldType.ID: IDS,
    FieldType.STATUS: st.sampled_from(["active", "inactive", "draft"]),
    FieldType.TYPE: st.sampled_from(["custom_view", "manual_enrollment", "smart"]),
    FieldType.FLAG: st.booleans(),
    FieldType.COUNT: st.integers(0, 3) | st.integers(-(2**31) + 1, 2**31 - 1),
    FieldType.INSTANT: INSTANTS.map(datetime.isoformat),
    FieldType.DAY: DAYS,
}
_ZONES = [timezone(timedelta(minutes=m)) for m in (-420, 0, 330, 765)]


@dataclass(frozen=True)
class Facts:
    """A cadence in canonical form."""

    config: Config
    labels: Labels
    extra: dict[str, object]


@st.composite
def facts(draw: st.DrawFn, cadence_id: str = "2001") -> Facts:
    """A cadence of which some leaves are null and some were never sent."""
    leaves: dict[str, st.SearchStrategy[FieldValue]] = {
        path: st.none() | _VALUES[leaf_type] for path, leaf_type in FIELDS.items()
    }
    leaves[PERIOD] = st.sampled_from(["immediately", "hours", "days"]) | WORDS | st.none()
    unenroll = {path: leaves.pop(path) for path in (f"{UNENROLL}.type", f"{UNENROLL}.end_date")}
    required = {"id": st.just(cadence_id)}
    optional = {path: values for path, values in leaves.items() if path != "id"}
    config: Config = draw(st.fixed_dictionaries(required, optional=optional))
    if config.get(PERIOD) == "immediately":
        config.setdefault(UNIT, None)
    as_object: st.SearchStrategy[Config] = st.fixed_dictionaries({**unenroll, UNENROLL: st.none()})
    as_array: st.SearchStrategy[Config] = st.fixed_dictionaries({**dict.fromkeys(unenroll, st.none()), UNENROLL: RULES})
    forms: list[st.SearchStrategy[Config]] = [st.just({}), as_object, as_array]
    config |= draw(st.one_of(forms))
    labels = draw(st.fixed_dictionaries({}, optional={label: st.none() | WORDS for label in LABELS}))
    return Facts(config, labels, draw(EXTRA))


def spelled(facts: Facts, rng: random.Random) -> bytes:
    """Return a record's JSON text that states these facts in one of Zoho's spellings."""
    flat: dict[str, Any] = {path: _leaf(path, leaf, rng) for path, leaf in facts.config.items()}
    flat |= {label: _nothing(rng) if name is None else name for label, name in facts.labels.items()}
    if facts.config.get(PERIOD) == "immediately" and facts.config[UNIT] is None and rng.random() < 0.5:
        del flat[UNIT]
    if isinstance(rules := facts.config.get(UNENROLL), list):
        flat = {path: value for path, value in flat.items() if not path.startswith(f"{UNENROLL}.")}
        flat[UNENROLL] = _rules(rules, rng)
    else:
        flat.pop(UNENROLL, None)
    document: dict[str, Any] = _shuffled(_nested(flat) | facts.extra, rng)
    _fold_nulls("", document, rng)
    return json.dumps(document, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])).encode()


def _leaf(path: str, leaf: FieldValue, rng: random.Random) -> object:
    spell = _SPELLINGS.get(FIELDS.get(path, FieldType.TEXT))
    if leaf is None:
        return _nothing(rng)
    return leaf if spell is None else rng.choice(spell(leaf))


def _instants(leaf: FieldValue) -> list[object]:
    instant = datetime.fromisoformat(str(leaf))
    written = [instant.astimezone(zone).isoformat() for zone in _ZONES]
    without_colon = [f"{text[:-3]}{text[-2:]}" for text in written]
    return [*written, *without_colon, f"{instant.replace(tzinfo=None).isoformat()}Z"]


_SPELLINGS: dict[FieldType, Callable[[FieldValue], list[object]]] = {
    FieldType.ID: lambda leaf: [leaf, int(str(leaf))],
    FieldType.STATUS: lambda leaf: [leaf, {"active": True, "inactive": False}.get(str(leaf), leaf)],
    FieldType.TYPE: lambda leaf: [
        leaf,
        {"custom_view": "Custom view", "manual_enrollment": "Manual enrollment"}.get(str(leaf), leaf),
    ],
    FieldType.FLAG: lambda leaf: [leaf, str(leaf), str(leaf).lower()],
    FieldType.COUNT: lambda leaf: [leaf, str(leaf), float(str(leaf))],
    FieldType.INSTANT: _instants,
    FieldType.DAY: lambda leaf: [leaf, f"{leaf}T23:59:59-0700", f"{leaf}T00:30:00+05:30"],
}


def _nothing(rng: random.Random) -> str | None:
    return rng.choice(["", None])


def _rules(rules: list[Any], rng: random.Random) -> list[object]:
    """Reorder rules, write their ids as numbers or text, and add keys that say nothing."""
    reencoded = [
        _shuffled(
            {"rid": _nothing(rng)}
            | rule
            | {"id": rng.choice([rule["id"], int(rule["id"])])}
            | ({} if "details" in rule else {"details": _nothing(rng)}),
            rng,
        )
        for rule in rules
    ]
    rng.shuffle(reencoded)
    return list(reencoded)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, key = path.split(".")
        holder = document
        for name in parents:
            holder = holder.setdefault(name, {})
        holder[key] = value
    return document


def _shuffled(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    keys = list(document)
    rng.shuffle(keys)
    return {key: _shuffled(child, rng) if isinstance(child := document[key], dict) else child for key in keys}


def _fold_nulls(path: str, document: dict[str, Any], rng: random.Random) -> None:
    """Write null for some of those objects of which every key would be null."""
    for key, child in document.items():
        below = f"{path}.{key}" if path else key
        if below not in OBJECTS or not isinstance(child, dict):
            continue
        _fold_nulls(below, child, rng)
        complete = {p for p in (*FIELDS, *LABELS) if p.startswith(f"{below}.")}
        if complete == set(_empty_leaves(below, child)) and rng.random() < 0.5:
            document[key] = _nothing(rng)


def _empty_leaves(path: str, document: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for key, child in document.items():
        below = f"{path}.{key}"
        if isinstance(child, dict):
            found += _empty_leaves(below, child)
        elif child in ("", None):
            found += [p for p in (*FIELDS, *LABELS) if p == below or p.startswith(f"{below}.")]
    return found
