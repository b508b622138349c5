"""Migrates the whole database: the history by its revisions, the queue by PgQueuer's plan."""

from typing import Final

from cadence_sync.daemon.queue import SCHEMA, queries_on
from cadence_sync.db import migrate as history
from cadence_sync.db.engine import LOCK_MIGRATION, Engine, translate_errors
from cadence_sync.db.queue import LEADER_COLUMNS, LEADER_TABLE, Connection, driver_of
from cadence_sync.ports import Actor

# PgQueuer's trigger runs as the daemon: no other role may create what its body would find first.
_UNPINNED: Final = f"""
    SELECT format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', p.oid::regprocedure)
    FROM pg_proc AS p
    WHERE p.pronamespace = to_regnamespace('{SCHEMA}') AND p.proconfig IS NULL
"""  # noqa: S608 - a constant


async def migrate(engine: Engine, by: Actor | None = None) -> str:
    """Brings history and queue to what this release needs; returns the revision that is reached."""
    outdated = await _outdated_schemas(engine)
    revision = await history.migrate(engine, outdated, by)
    if outdated:
        async with driver_of(engine) as connection:
            await install_queue(connection)
    return revision


async def check_migration_rights(engine: Engine) -> None:
    """Raises `DatabaseError` where `migrate` has something to do and its user lacks a right for it."""
    await history.check_migration_rights(engine, await _outdated_schemas(engine))


async def _outdated_schemas(engine: Engine) -> list[str]:
    async with driver_of(engine) as connection:
        return [SCHEMA] if await is_queue_outdated(connection) else []


async def is_queue_outdated(connection: Connection) -> bool:
    with translate_errors():
        async with connection.transaction(isolation="read_committed"):
            return bool(await _pending(connection))


async def install_queue(connection: Connection) -> None:
    """Brings the queue's tables to what this PgQueuer needs: they belong to it, and to no revision.

    PgQueuer's own upgrade holds a lock of the session, which a pooler in transaction mode strands.
    """
    with translate_errors():
        while await _converge(connection):
            pass


async def _converge(connection: Connection) -> bool:
    """Runs one transaction of statements that may share one; returns whether there was anything to do."""
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(LOCK_MIGRATION)
        statements = await _pending(connection)
        # A label that is added to a type cannot be used before it is committed.
        labels = [each for each in statements if "ADD VALUE" in each]
        for statement in labels or statements:
            await connection.execute(statement)
        if statements and not labels:
            # Jobs come and go: their dead rows would slow down the next ones.
            await queries_on(connection).optimize_autovacuum()
    return bool(statements)


async def _pending(connection: Connection) -> list[str]:
    plan = await queries_on(connection).plan_upgrade()
    columns = await connection.fetchval(LEADER_COLUMNS)
    # Nothing in an older table is worth keeping: its leader has gone.
    outdated = columns is not None and "backend_start" not in columns
    statements = [*plan.statements, *([f"DROP TABLE {SCHEMA}.leader"] if outdated else [])]
    if columns is None or outdated:
        statements.append(LEADER_TABLE)
    return [*statements, *(row[0] for row in await connection.fetch(_UNPINNED))]
