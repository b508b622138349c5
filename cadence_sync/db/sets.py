"""Writing many rows at once: a list of rows as one parameter, and COPY."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    LargeBinary,
    Select,
    Table,
    Text,
    all_,
    any_,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[dict[str, Any]]


def _as_it_is(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_SPECIAL: Final[dict[type, Callable[[Any], object]]] = {
    LargeBinary: lambda value: "\\x" + value.hex(),
    JSON: _as_it_is,
    JSONB: _as_it_is,
}


def rows_select(table: Table, rows: Rows) -> Select[Any]:
    """Return `SELECT … FROM json_to_recordset(…)` over rows that hold values of this table's columns.

    One document costs the driver less than an array for each column, whose elements it looks at one by one.
    """
    columns = [table.c[name] for name in rows[0]]
    document = bindparam(None, _document(columns, rows), type_=Text())
    typed = (column(each.name, each.type) for each in columns)
    given = func.json_to_recordset(cast(document, JSON)).table_valued(*typed, name="given")
    return select(*given.render_derived(with_types=True).c)


def _document(columns: Sequence[Column[Any]], rows: Rows) -> str:
    """Return rows as JSON: bytes as Postgres writes them, values that are JSON already as they are."""
    special = {c.name: _SPECIAL[type(c.type)] for c in columns if type(c.type) in _SPECIAL}
    if special:
        rows = [row | {n: None if row[n] is None else spell(row[n]) for n, spell in special.items()} for row in rows]
    return msgspec.json.encode(rows).decode()


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
