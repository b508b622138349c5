"""Writing many rows at once: a list of rows as one parameter, and COPY.

What is to be written is made first, perhaps in a thread, and sent later: the two need not wait for each other.
"""

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

Rows = Sequence[dict[str, Any]]


def _as_it_is(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_SPECIAL: Final[dict[type, Callable[[Any], object]]] = {
    LargeBinary: lambda value: "\\x" + value.hex(),
    JSON: _as_it_is,
    JSONB: _as_it_is,
}


def values_as_select(table: Table, rows: Rows) -> Select[Any]:
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
        rows = [row | {n: None if row[n] is None else encode(row[n]) for n, encode in special.items()} for row in rows]
    return msgspec.json.encode(rows).decode()


def any_of(ids: Collection[str]) -> Any:
    """Return `ANY(ids)`, with all the ids as one parameter."""
    return any_(bindparam(None, list(ids), type_=ARRAY(Text)))


def all_of(ids: Collection[str]) -> Any:
    """Return `ALL(ids)`, with all the ids as one parameter; a column that differs from it is none of them."""
    return all_(bindparam(None, list(ids), type_=ARRAY(Text)))


def upsert_rows(table: Table, rows: Rows, *, keep: frozenset[str] = frozenset()) -> "Iterator[Write]":
    """Insert rows, or overwrite those that exist but for the columns in `keep`."""
    if not rows:
        return
    statement = insert(table).from_select(list(rows[0]), values_as_select(table, rows))
    key = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    yield statement.on_conflict_do_update(index_elements=key, set_=overwritten)


@dataclass(frozen=True, slots=True)
class Copy:
    """Rows to append by COPY."""

    table: Table
    columns: list[str]
    records: list[tuple[Any, ...]]


Write: TypeAlias = Executable | Copy


def copy_rows(table: Table, rows: Rows) -> Iterator[Copy]:
    """Append rows."""
    if rows:
        yield Copy(table, list(rows[0]), [tuple(row.values()) for row in rows])


async def execute(connection: AsyncConnection, writes: Iterable[Write]) -> None:
    """Write what was made, inside the connection's transaction."""
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


BLOCK: Final = 500


async def blocks_of(
    connection: AsyncConnection,
    table: Table,
    org_id: str,
    columns: Mapping[str, ColumnElement[Any]],
    where: ColumnElement[bool] | None = None,
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield rows as their keys and these columns, in the order of the keys; what is yielded may be rewritten."""
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


def rewriting(table: Table, org_id: str, rows: Rows) -> Executable:
    """Return the statement that gives rows, found by their keys, the other columns that they name."""
    new = values_as_select(table, rows).subquery("new")
    keys = _keys(table)
    values = {name: new.c[name] for name in rows[0] if name not in {key.name for key in keys}}
    return update(table).where(table.c.org_id == org_id, *(key == new.c[key.name] for key in keys)).values(**values)


def _keys(table: Table) -> list[Any]:
    return [column for column in table.primary_key if column.name != "org_id"]
