"""Bulk writes: a list of rows as one parameter, and COPY. A write is built first and executed later."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Executable,
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
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.records import BLOCK

Rows = Sequence[dict[str, Any]]


def _as_it_is(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_SPECIAL: Final[dict[type, Callable[[Any], object]]] = {
    LargeBinary: lambda value: "\\x" + value.hex(),
    JSON: _as_it_is,
    JSONB: _as_it_is,
}


def values_as_select(table: Table, rows: Rows) -> Select[Any]:
    """Builds `SELECT … FROM json_to_recordset(…)` over rows of this table's columns.

    One document costs the driver less than an array for each column, whose elements it encodes one by one.
    """
    columns = [table.c[name] for name in rows[0]]
    document = bindparam(None, _document(columns, rows), type_=Text())
    typed = (column(each.name, each.type) for each in columns)
    given = func.json_to_recordset(cast(document, JSON)).table_valued(*typed, name="given")
    return select(*given.render_derived(with_types=True).c)


def _document(columns: Sequence[Column[Any]], rows: Rows) -> str:
    """Encodes rows as JSON: bytes in Postgres's notation, values that are JSON already unchanged."""
    special = {c.name: _SPECIAL[type(c.type)] for c in columns if type(c.type) in _SPECIAL}
    if special:
        rows = [row | {n: None if row[n] is None else encode(row[n]) for n, encode in special.items()} for row in rows]
    return msgspec.json.encode(rows).decode()


def any_of(ids: Collection[str]) -> Any:
    """Builds `ANY(ids)` with one parameter."""
    return any_(bindparam(None, list(ids), type_=ARRAY(Text)))


def all_of(ids: Collection[str]) -> Any:
    """Builds `ALL(ids)` with one parameter, for `column <> ALL(ids)`."""
    return all_(bindparam(None, list(ids), type_=ARRAY(Text)))


def upsert_rows(table: Table, rows: Rows, *, keep: frozenset[str] = frozenset()) -> "Iterator[Write]":
    """Inserts rows, or overwrites existing ones except for the columns in `keep`."""
    if not rows:
        return
    statement = insert(table).from_select(list(rows[0]), values_as_select(table, rows))
    key = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    yield statement.on_conflict_do_update(index_elements=key, set_=overwritten)


def update_rows(table: Table, org_id: str, rows: Rows) -> "Iterator[Write]":
    """Updates an organization's rows, found by their keys, with the other columns that `rows` name."""
    if not rows:
        return
    new = values_as_select(table, rows).subquery("new")
    keys = _keys(table)
    values = {name: new.c[name] for name in rows[0] if name not in {key.name for key in keys}}
    yield update(table).where(table.c.org_id == org_id, *(key == new.c[key.name] for key in keys)).values(**values)


@dataclass(frozen=True, slots=True)
class Copy:
    """Rows to append by COPY."""

    table: Table
    columns: list[str]
    records: list[tuple[Any, ...]]


Write: TypeAlias = Executable | Copy


def copy_rows(table: Table, rows: Rows) -> Iterator[Copy]:
    if rows:
        yield Copy(table, list(rows[0]), [tuple(row.values()) for row in rows])


async def execute(connection: AsyncConnection, writes: Iterable[Write]) -> None:
    for write in writes:
        if isinstance(write, Copy):
            await _copy(connection, write)
        else:
            await connection.execute(write)


async def _copy(connection: AsyncConnection, write: Copy) -> None:
    driver = (await connection.get_raw_connection()).driver_connection
    if driver is None:
        raise RuntimeError("the connection has no driver connection")
    table = write.table
    await driver.copy_records_to_table(
        table.name, schema_name=table.schema, columns=write.columns, records=write.records
    )


async def blocks_of(
    connection: AsyncConnection,
    table: Table,
    org_id: str,
    columns: Mapping[str, ColumnElement[Any]],
    where: ColumnElement[bool] | None = None,
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yields rows as their keys and these columns, ordered by key; the caller may update what was yielded."""
    keys = _keys(table)
    statement = select(*keys, *(column.label(name) for name, column in columns.items()))
    statement = statement.where(table.c.org_id == org_id).order_by(*keys).limit(BLOCK)
    if where is not None:
        statement = statement.where(where)
    following = statement
    while rows := [dict(row) for row in (await connection.execute(following)).mappings()]:
        yield rows
        last = [literal(rows[-1][key.name], key.type) for key in keys]
        following = statement.where(tuple_(*keys) > tuple_(*last))


def _keys(table: Table) -> list[Any]:
    return [column for column in table.primary_key if column.name != "org_id"]
