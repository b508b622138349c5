"""Everything that a database says, as text: to look for what must not be there."""

from collections.abc import Collection
from typing import Final

from tests.support.lab import Lab

COLUMNS: Final = """
    SELECT table_schema || '.' || table_name AS source, column_name AS name, data_type AS type
    FROM information_schema.columns WHERE table_schema LIKE 'cadence%' ORDER BY table_schema, table_name, column_name
"""
ORDER: Final = ("org_id", "cadence_id", "version", "run_id", "position", "change_id", "path", "field", "day", "week")
"""Columns that no redaction touches: whatever of them is there tells rows apart."""


async def everything(lab: Lab, but: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return every value of every column of every table and view, with its place."""
    columns = await lab.rows(COLUMNS)
    found: list[tuple[str, str]] = []
    for source in dict.fromkeys(str(each["source"]) for each in columns if each["source"] not in but):
        types = {str(each["name"]): each["type"] for each in columns if each["source"] == source}
        order = ", ".join(f"s.{name}" for name in ORDER if name in types) or "1"
        values = ", ".join(f"""{_as_text(name, kind)} AS "{name}\"""" for name, kind in types.items())
        rows = await lab.rows(f"SELECT {values} FROM {source} AS s ORDER BY {order}")
        found += [(f"{source}.{name}", _read(row[name], kind)) for name, kind in types.items() for row in rows]
    return found


def _as_text(name: str, kind: str) -> str:
    return f"""encode("{name}", 'hex')""" if kind == "bytea" else f'"{name}"::text'


def _read(value: str | None, kind: str) -> str:
    if value is None:
        return "(null)"
    return bytes.fromhex(value).decode(errors="replace") if kind == "bytea" else value
