"""Maps fields and labels to columns, and canonical values to the driver's."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final

from cadence_sync.core.canonical import unenroll_end_date, unenroll_type
from cadence_sync.core.diff import CurrentRow
from cadence_sync.core.fields import FIELDS, LABELS, PERIOD, UNENROLL, UNIT, FieldType
from cadence_sync.core.records import Config, FieldValue

_CONVERTERS: Final[dict[str, Callable[[str], object]]] = {
    path: date.fromisoformat if kind is FieldType.DAY else datetime.fromisoformat
    for path, kind in FIELDS.items()
    if kind in {FieldType.DAY, FieldType.INSTANT}
}
"""Fields whose values the driver has as objects."""

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


def cadence_values(row: CurrentRow) -> dict[str, object]:
    labels = {column: row.labels.get(path) for column, path in CADENCE_LABELS.items()}
    return _values(CADENCE_FIELDS, row.config) | labels


def summary_values(config: Config) -> dict[str, object] | None:
    """Returns the `follow_up_summaries` columns, or None where Zoho sends no counts."""
    return _or_none(_values(SUMMARY_FIELDS, config))


def execution_values(config: Config) -> dict[str, object] | None:
    """Returns the `execution_details` columns, or None where Zoho sends null."""
    end = _convert(f"{UNENROLL}.end_date", unenroll_end_date(config))
    unenroll = {"unenroll_type": unenroll_type(config), "unenroll_end_date": end}
    return _or_none(_values(EXECUTION_FIELDS, config) | unenroll)


def modified_time(config: Config) -> object:
    return _convert("modified_time", config.get("modified_time"))


def _values(fields: Mapping[str, str], config: Config) -> dict[str, object]:
    return {column: _convert(path, config.get(path)) for column, path in fields.items()}


def _convert(path: str, value: FieldValue) -> object:
    converter = _CONVERTERS.get(path)
    return converter(value) if converter and isinstance(value, str) else value


def _or_none(values: dict[str, object]) -> dict[str, object] | None:
    return values if any(value is not None for value in values.values()) else None
