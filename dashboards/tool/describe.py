"""Writes what repeats the database's own words: Superset's datasets and dbt's sources, from the comments of the views.

`make bi-describe` runs it on a database of its own making. Metrics and times are not in the database: they stand here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

import asyncpg
import yaml

from dashboards.tool.bundle import SOURCE

DBT: Final = SOURCE.parent / "dbt"
DATASETS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "current_cadences": ("last_changed_at", {"cadences": "COUNT(*)"}),
    "daily_snapshots": ("day", {"cadences": "COUNT(*)"}),
    "steps_by_module": (
        "",
        {
            "e-mail": "SUM(email_follow_ups)",
            "task": "SUM(task_follow_ups)",
            "call": "SUM(call_follow_ups)",
            "WhatsApp": "SUM(whatsapp_follow_ups)",
        },
    ),
    "change_log": ("changed_at", {"changed fields": "COUNT(*)"}),
    "changes_by_person_and_week": ("week", {"edits": "SUM(edits)", "changed fields": "SUM(field_changes)"}),
    "stale_cadences": ("last_changed_at", {"cadences": "COUNT(*)"}),
    "sync_freshness": ("last_success_at", {"oldest hours": "MAX(age_seconds) / 3600.0"}),
    "held_deletions": ("missing_since", {"cadences": "COUNT(*)"}),
    "quarantined_records": ("observed_at", {"records": "COUNT(*)"}),
}
"""The views that charts read: the column of time, and the metrics."""

HEADINGS: Final[Mapping[str, str]] = {
    "org_id": "organization",
    "cadence_name": "cadence",
    "module_api_name": "module",
    "changed_by_name": "changed by",
    "modified_by_name": "last edited by",
    "run_id": "run",
    "last_success_at": "last success",
}
"""What people read above a column where its name does not do."""

_COLUMNS: Final = """
SELECT c.relname AS view, obj_description(c.oid, 'pg_class') AS comment, a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS description
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
ORDER BY c.relname, a.attnum
"""
_HEADER: Final = "# Written by `make bi-describe` from the comments in the database.\n"


def uuid_of(name: str) -> str:
    """Return the id that stays the same for a name, so that a new import replaces the old one."""
    return str(uuid5(NAMESPACE_DNS, f"cadence-sync/{name}"))


async def views(url: str) -> dict[str, dict[str, Any]]:
    """Return what the database says of its views and their columns."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_COLUMNS)
    finally:
        await connection.close()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        view = found.setdefault(row["view"], {"description": row["comment"], "columns": {}})
        view["columns"][row["name"]] = {"type": row["type"], "description": row["description"]}
    return found


def dataset(name: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dataset of a view, as Superset imports it."""
    time, metrics = DATASETS[name]
    return {
        "table_name": name,
        "schema": "cadence_reporting",
        "description": view["description"],
        "main_dttm_col": time or None,
        "uuid": uuid_of(f"datasets/{name}"),
        "database_uuid": uuid_of("databases/cadence_sync"),
        "version": "1.0.0",
        "metrics": [{"metric_name": name, "expression": expression} for name, expression in metrics.items()],
        "columns": [
            {
                "column_name": name,
                "verbose_name": HEADINGS.get(name, name.replace("_", " ")),
                "type": column["type"].upper(),
                "is_dttm": column["type"] in {"date", "timestamp with time zone"},
                "groupby": True,
                "filterable": True,
                "description": column["description"],
            }
            for name, column in view["columns"].items()
        ],
    }


def sources(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return dbt's tables."""
    return [
        {
            "name": name,
            "description": view["description"],
            "columns": [
                {"name": column, "description": reported["description"], "data_type": reported["type"]}
                for column, reported in view["columns"].items()
            ],
        }
        for name, view in found.items()
    ]


async def write(url: str) -> None:
    """Write every dataset, and the tables of dbt's sources below what stands there by hand."""
    found = await views(url)
    for name in DATASETS:
        _dump(SOURCE / "datasets" / "cadence_sync" / f"{name}.yaml", _HEADER, dataset(name, found[name]))
    file = DBT / "models" / "sources.yml"
    by_hand = file.read_text(encoding="utf-8").partition("    tables:\n")[0]
    tables = yaml.safe_dump(sources(found), sort_keys=False, allow_unicode=True, width=120)
    indented = "".join(f"      {line}\n" for line in tables.splitlines())
    file.write_text(f"{by_hand}    tables:\n{indented}", encoding="utf-8")


def _dump(file: Path, header: str, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120)
    file.write_text(header + text, encoding="utf-8")
