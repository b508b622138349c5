"""Bulk writes: a list of rows as one parameter, and COPY. A write is built first and executed later."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.records import BLOCK
from cadence_sync.db.engine import driver_connection

Rows = Sequence[dict[str, Any]]

_SPECIAL: Final[dict[type, Callable[[Any], object]]] = {
    sa.LargeBinary: lambda value: "\\x" + value.hex(),
    JSON: lambda document: msgspec.Raw(document.encode()),
    JSONB: lambda document: msgspec.Raw(document.encode()),
}


def values_as_select(table: sa.Table, rows: Rows) -> sa.Select[Any]:
    """Builds `SELECT … FROM json_to_recordset(…)` over rows of this table's columns.

    One document costs the driver less than an array for each column, whose elements it encodes one by one.
    """
    columns = [table.c[name] for name in rows[0]]
    document = sa.bindparam(None, _document(columns, rows), type_=sa.Text())
    typed = (sa.column(each.name, each.type) for each in columns)
    given = sa.func.json_to_recordset(sa.cast(document, JSON)).table_valued(*typed, name="given")
    return sa.select(*given.render_derived(with_types=True).c)


def _document(columns: Sequence[sa.Column[Any]], rows: Rows) -> str:
    """Encodes rows as JSON: bytes in Postgres's notation, values that are JSON already unchanged."""
    special = {c.name: _SPECIAL[type(c.type)] for c in columns if type(c.type) in _SPECIAL}
    if special:
        rows = [row | {n: None if row[n] is None else encode(row[n]) for n, encode in special.items()} for row in rows]
    return msgspec.json.encode(rows).decode()


def any_of(ids: Collection[str]) -> Any:
    return sa.any_(sa.bindparam(None, list(ids), type_=sa.ARRAY(sa.Text)))


def all_of(ids: Collection[str]) -> Any:
    return sa.all_(sa.bindparam(None, list(ids), type_=sa.ARRAY(sa.Text)))


def upsert_rows(table: sa.Table, rows: Rows, *, keep: frozenset[str] = frozenset()) -> "Iterator[Write]":
    """Inserts rows, or overwrites existing ones except for the columns in `keep`."""
    if not rows:
        return
    statement = insert(table).from_select(list(rows[0]), values_as_select(table, rows))
    key = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    yield statement.on_conflict_do_update(index_elements=key, set_=overwritten)


def update_rows(table: sa.Table, org_id: str, rows: Rows) -> "Iterator[Write]":
    if not rows:
        return
    new = values_as_select(table, rows).subquery("new")
    keys = _keys(table)
    values = {name: new.c[name] for name in rows[0] if name not in {key.name for key in keys}}
    yield sa.update(table).where(table.c.org_id == org_id, *(key == new.c[key.name] for key in keys)).values(**values)


@dataclass(frozen=True, slots=True)
class Copy:
    table: sa.Table
    columns: list[str]
    records: list[tuple[Any, ...]]


Write: TypeAlias = sa.Executable | Copy


def copy_rows(table: sa.Table, rows: Rows) -> Iterator[Copy]:
    if rows:
        yield Copy(table, list(rows[0]), [tuple(row.values()) for row in rows])


async def execute(connection: AsyncConnection, writes: Iterable[Write]) -> None:
    for write in writes:
        if isinstance(write, Copy):
            table, driver = write.table, await driver_connection(connection)
            await driver.copy_records_to_table(
                table.name, schema_name=table.schema, columns=write.columns, records=write.records
            )
        else:
            await connection.execute(write)


async def blocks_of(
    connection: AsyncConnection,
    table: sa.Table,
    org_id: str,
    columns: Mapping[str, sa.ColumnElement[Any]],
    where: sa.ColumnElement[bool] | None = None,
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yields rows as their keys and these columns, ordered by key; the caller may update what was yielded."""
    keys = _keys(table)
    statement = sa.select(*keys, *(column.label(name) for name, column in columns.items()))
    statement = statement.where(table.c.org_id == org_id).order_by(*keys).limit(BLOCK)
    if where is not None:
        statement = statement.where(where)
    following = statement
    while rows := [dict(row) for row in (await connection.execute(following)).mappings()]:
        yield rows
        last = [sa.literal(rows[-1][key.name], key.type) for key in keys]
        following = statement.where(sa.tuple_(*keys) > sa.tuple_(*last))


def _keys(table: sa.Table) -> list[Any]:
    return [column for column in table.primary_key if column.name != "org_id"]
