"""Which leaf or label fills which column, and how a canonical value becomes a column's value."""

from datetime import date, datetime
from typing import Final

from cadence_sync.core.diff import Row
from cadence_sync.core.fields import LABELS, LEAVES, PERIOD, UNENROLL, UNIT, LeafType
from cadence_sync.core.model import Config, Leaf
from cadence_sync.core.rules import unenroll_end_date, unenroll_type

CADENCE_LEAVES: Final = {
    path.replace(".", "_"): path
    for path in LEAVES
    if path != "id" and not path.startswith(("summary.", "execution_details."))
}
CADENCE_LABELS: Final = {path.replace(".", "_"): path for path in LABELS}
SUMMARY_LEAVES: Final = {path.removeprefix("summary."): path for path in LEAVES if path.startswith("summary.")}
EXECUTION_LEAVES: Final = {
    "type": "execution_details.type",
    "end_date": "execution_details.end_date",
    "automatic_unenroll": "execution_details.automatic_unenroll",
    "execute_every_unit": UNIT,
    "execute_every_period": PERIOD,
}


def cadence_values(row: Row) -> dict[str, object]:
    """Return the values of the `cadences` columns that a row decides."""
    leaves = {column: to_column(path, row.config.get(path)) for column, path in CADENCE_LEAVES.items()}
    labels = {column: row.labels.get(path) for column, path in CADENCE_LABELS.items()}
    return {**leaves, **labels}


def summary_values(config: Config) -> dict[str, object] | None:
    """Return the `follow_up_summaries` columns, or None where Zoho sends no counts."""
    values = {column: to_column(path, config.get(path)) for column, path in SUMMARY_LEAVES.items()}
    return None if all(value is None for value in values.values()) else values


def execution_values(config: Config) -> dict[str, object] | None:
    """Return the `execution_details` columns, or None where Zoho sends null."""
    values = {column: to_column(path, config.get(path)) for column, path in EXECUTION_LEAVES.items()}
    values["unenroll_type"] = unenroll_type(config)
    values["unenroll_end_date"] = to_column(f"{UNENROLL}.end_date", unenroll_end_date(config))
    return None if all(value is None for value in values.values()) else values


def to_column(path: str, leaf: Leaf) -> object:
    """Return a canonical value as the driver wants it: instants and days as `datetime` and `date`."""
    if not isinstance(leaf, str):
        return leaf
    match LEAVES[path]:
        case LeafType.INSTANT:
            return datetime.fromisoformat(leaf)
        case LeafType.DAY:
            return date.fromisoformat(leaf)
        case _:
            return leaf
