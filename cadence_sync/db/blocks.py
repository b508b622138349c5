"""Going through a table of an organization block by block, and rewriting rows where they stand."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Table, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.bulk import Rows, values_as_select

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
