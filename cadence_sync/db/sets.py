"""Writing many rows at once: a list of rows as one table of parameters, and COPY."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, Select, Table, Text, all_, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[dict[str, Any]]


def rows_select(table: Table, rows: Rows) -> Select[Any]:
    """Return `SELECT … FROM unnest(…)` over rows that hold values of this table's columns.

    JSON values are given as text: arrays of them would be encoded one by one by the driver.
    """
    columns = [table.c[name] for name in rows[0]]
    arrays = [_array(column, [row[column.name] for row in rows]) for column in columns]
    unnested = func.unnest(*arrays).table_valued(*(column.name for column in columns), name="given").render_derived()
    return select(*(cast(unnested.c[column.name], column.type).label(column.name) for column in columns))


def any_of(ids: Collection[str]) -> Any:
    """Return `ANY(ids)`, with all the ids as one parameter."""
    return any_(bindparam(None, list(ids), type_=ARRAY(Text)))


def all_of(ids: Collection[str]) -> Any:
    """Return `ALL(ids)`, with all the ids as one parameter; a column that differs from it is none of them."""
    return all_(bindparam(None, list(ids), type_=ARRAY(Text)))


async def upsert(connection: AsyncConnection, table: Table, rows: Rows, *, keep: frozenset[str] = frozenset()) -> None:
    """Insert rows, or overwrite those that exist but for the columns in `keep`."""
    if not rows:
        return
    statement = insert(table).from_select(list(rows[0]), rows_select(table, rows))
    key = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=overwritten))


async def copy(connection: AsyncConnection, table: Table, rows: Rows) -> None:
    """Append rows by COPY, inside the connection's transaction."""
    if not rows:
        return
    driver = (await connection.get_raw_connection()).driver_connection
    if driver is None:
        raise RuntimeError("the connection has no driver connection")
    names = list(rows[0])
    await driver.copy_records_to_table(
        table.name, schema_name=table.schema, columns=names, records=[tuple(row.values()) for row in rows]
    )


def _array(column: Column[Any], values: list[Any]) -> Any:
    kind = Text() if isinstance(column.type, JSON | JSONB) else column.type
    return cast(bindparam(None, values, type_=ARRAY(kind)), ARRAY(kind))
