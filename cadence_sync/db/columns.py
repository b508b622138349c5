"""Which leaf or label fills which column, and how a canonical value becomes a column's value."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final, TypeAlias

from cadence_sync.core.canonical import unenroll_end_date, unenroll_type
from cadence_sync.core.diff import CurrentRow
from cadence_sync.core.fields import FIELDS, LABELS, PERIOD, UNIT, FieldType
from cadence_sync.core.records import Config, FieldValue

_Column: TypeAlias = tuple[str, str, Callable[[str], object] | None]
"""A column, its leaf's path, and what makes the driver's value of the leaf, where that is another."""

_CONVERTERS: Final[dict[FieldType, Callable[[str], object]]] = {
    FieldType.INSTANT: datetime.fromisoformat,
    FieldType.DAY: date.fromisoformat,
}


def _columns(paths: dict[str, str]) -> tuple[_Column, ...]:
    return tuple((column, path, _CONVERTERS.get(FIELDS[path])) for column, path in paths.items())


CADENCE_FIELDS: Final = {
    path.replace(".", "_"): path
    for path in FIELDS
    if path != "id" and not path.startswith(("summary.", "execution_details."))
}
SUMMARY_FIELDS: Final = {path.removeprefix("summary."): path for path in FIELDS if path.startswith("summary.")}
EXECUTION_FIELDS: Final = {
    "type": "execution_details.type",
    "end_date": "execution_details.end_date",
    "automatic_unenroll": "execution_details.automatic_unenroll",
    "execute_every_unit": UNIT,
    "execute_every_period": PERIOD,
}
CADENCE_LABELS: Final = {path.replace(".", "_"): path for path in LABELS}
_CADENCE, _SUMMARY, _EXECUTION = (_columns(each) for each in (CADENCE_FIELDS, SUMMARY_FIELDS, EXECUTION_FIELDS))


def cadence_values(row: CurrentRow) -> dict[str, object]:
    """Return the values of the `cadences` columns that a row decides."""
    values = _values(_CADENCE, row.config)
    for column, path in CADENCE_LABELS.items():
        values[column] = row.labels.get(path)
    return values


def summary_values(config: Config) -> dict[str, object] | None:
    """Return the `follow_up_summaries` columns, or None where Zoho sends no counts."""
    values = _values(_SUMMARY, config)
    return values if _some(values) else None


def execution_values(config: Config) -> dict[str, object] | None:
    """Return the `execution_details` columns, or None where Zoho sends null."""
    values = _values(_EXECUTION, config)
    values["unenroll_type"] = unenroll_type(config)
    values["unenroll_end_date"] = _day(unenroll_end_date(config))
    return values if _some(values) else None


def modified_time(config: Config) -> datetime | None:
    """Return Zoho's own time of the last edit."""
    leaf = config.get("modified_time")
    return datetime.fromisoformat(leaf) if isinstance(leaf, str) else None


def _values(columns: tuple[_Column, ...], config: Config) -> dict[str, object]:
    found: dict[str, object] = {}
    for column, path, convert in columns:
        leaf = config.get(path)
        found[column] = leaf if convert is None or not isinstance(leaf, str) else convert(leaf)
    return found


def _some(values: dict[str, object]) -> bool:
    return any(value is not None for value in values.values())


def _day(leaf: FieldValue) -> date | None:
    return date.fromisoformat(leaf) if isinstance(leaf, str) else None
