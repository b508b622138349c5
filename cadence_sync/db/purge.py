"""The one deletion of history: everything of one organization, in one transaction, counted."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.orgs import no_such_org_error, org_transaction
from cadence_sync.db.queue import drop_job
from cadence_sync.db.tables import SCHEMA, metadata

_GUARDED = text("""
    SELECT DISTINCT c.relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = to_regnamespace(:schema) AND NOT t.tgisinternal ORDER BY 1
""")


async def purge(engine: AsyncEngine, org_id: str) -> dict[str, int]:
    """Delete an organization and its whole history; returns how many rows of each table those were.

    The triggers that keep history are the owner's to switch off, and only while the tables are locked against all
    other writers: to the commit nobody else can rewrite anything.
    """
    async with org_transaction(engine, org_id) as connection:
        # Whoever writes history moves a fence here first: later locks then wait for nobody.
        await connection.execute(text(f"LOCK TABLE {SCHEMA}.orgs IN SHARE ROW EXCLUSIVE MODE"))
        guarded = list(await connection.scalars(_GUARDED, {"schema": SCHEMA}))
        await _guard(connection, guarded, "DISABLE")
        counts = {table.name: 0 for table in metadata.sorted_tables}
        # Those that refer to others come last in that order.
        for table in reversed(metadata.sorted_tables):
            deleted = await connection.execute(table.delete().where(table.c.org_id == org_id))
            counts[table.name] = deleted.rowcount
        if not counts["orgs"]:
            raise no_such_org_error(org_id)
        await drop_job(connection, org_id)  # a worker that took it would enter a run, and the organization with it
        # Deferred constraints are proved now: no table may be altered while they are pending.
        await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        await _guard(connection, guarded, "ENABLE")
    return counts


async def _guard(connection: AsyncConnection, tables: list[str], how: str) -> None:
    for table in tables:
        await connection.execute(text(f"ALTER TABLE {SCHEMA}.{table} {how} TRIGGER USER"))
