"""Maps fields and labels to columns, and canonical values to the driver's."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final, TypeAlias

from cadence_sync.core.canonical import unenroll_end_date, unenroll_type
from cadence_sync.core.diff import CurrentRow
from cadence_sync.core.fields import FIELDS, LABELS, PERIOD, UNIT, FieldType
from cadence_sync.core.records import Config, FieldValue

_Column: TypeAlias = tuple[str, str, Callable[[str], object] | None]
"""A column, the path of its field, and the converter to the driver's value where that differs."""

_CONVERTERS: Final[dict[FieldType, Callable[[str], object]]] = {
    FieldType.INSTANT: datetime.fromisoformat,
    FieldType.DAY: date.fromisoformat,
}


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
_CADENCE, _SUMMARY, _EXECUTION = (
    tuple((column, path, _CONVERTERS.get(FIELDS[path])) for column, path in fields.items())
    for fields in (CADENCE_FIELDS, SUMMARY_FIELDS, EXECUTION_FIELDS)
)


def cadence_values(row: CurrentRow) -> dict[str, object]:
    labels = {column: row.labels.get(path) for column, path in CADENCE_LABELS.items()}
    return _values(_CADENCE, row.config) | labels


def summary_values(config: Config) -> dict[str, object] | None:
    """Returns the `follow_up_summaries` columns, or None where Zoho sends no counts."""
    return _or_none(_values(_SUMMARY, config))


def execution_values(config: Config) -> dict[str, object] | None:
    """Returns the `execution_details` columns, or None where Zoho sends null."""
    end = _convert(unenroll_end_date(config), date.fromisoformat)
    unenroll = {"unenroll_type": unenroll_type(config), "unenroll_end_date": end}
    return _or_none(_values(_EXECUTION, config) | unenroll)


def modified_time(config: Config) -> object:
    return _convert(config.get("modified_time"), datetime.fromisoformat)


def _values(columns: tuple[_Column, ...], config: Config) -> dict[str, object]:
    return {column: _convert(config.get(path), converter) for column, path, converter in columns}


def _convert(value: FieldValue, converter: Callable[[str], object] | None) -> object:
    return converter(value) if converter and isinstance(value, str) else value


def _or_none(values: dict[str, object]) -> dict[str, object] | None:
    return values if any(value is not None for value in values.values()) else None
