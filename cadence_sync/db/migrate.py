"""Brings a database to the schema that this code needs: the tables by revisions, the reporting layer by its files."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db import reporting_layer
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.locks import LOCK_MIGRATION, SHORT_LOCKS
from cadence_sync.db.migration_files import REPORTING, load_reporting_layer, migrations_folder
from cadence_sync.db.reader_grants import granted, lacking_grants, renew_grants, restore_grants
from cadence_sync.db.revision import HEAD, current_revision, refuse_newer_revision
from cadence_sync.db.rights import check_rights
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError

OLDEST_SERVER: Final = 150000
"""Postgres 15, as `server_version_num` says it."""
_READABLE: Final = text("""
    SELECT coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')), true)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname IN ('alembic_version', 'reporting_layer')
""")


async def migrate(engine: AsyncEngine, also: Sequence[str] = ()) -> str:
    """Bring the database to this code's schema, in one transaction, and return the revision that it then has.

    Where there is nothing to do it writes nothing and takes no lock. `also` names schemas that the caller is about to
    alter: the rights on them are checked together with those that are needed here, before anything is changed.
    """
    with translate_errors():
        async with engine.connect() as connection:
            await _refuse_old_server(connection)
            schemas = await _outdated_schemas(connection)
            await _check_rights(connection, [*schemas, *also])
            pending = bool(schemas) or bool(await lacking_grants(connection))
        if pending:
            async with _locked(engine) as connection:
                await _migrate(connection)
    return HEAD


async def check_migration_rights(engine: AsyncEngine, also: Sequence[str] = ()) -> None:
    """Raise the `DatabaseError` that `migrate` would raise for rights which its user lacks."""
    with translate_errors():
        async with engine.connect() as connection:
            await _check_rights(connection, [*await _outdated_schemas(connection), *also])


async def _check_rights(connection: AsyncConnection, schemas: Sequence[str]) -> None:
    if schemas:
        layer = load_reporting_layer()
        await check_rights(connection, schemas, layer.views, layer.routines)


async def _outdated_schemas(connection: AsyncConnection) -> Sequence[str]:
    """Return the schemas that must be altered; all where this user cannot see what is in them."""
    if not await connection.scalar(_READABLE, {"schema": SCHEMA}):
        return SCHEMA, REPORTING
    revision = await current_revision(connection)
    refuse_newer_revision(revision)
    if revision != HEAD:
        return SCHEMA, REPORTING
    return () if await reporting_layer.is_current(connection) else (REPORTING,)


@asynccontextmanager
async def _locked(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in a transaction that no other `migrate` runs beside."""
    async with engine.connect() as connection:
        # What another one committed while this one waited for the lock must be seen.
        await connection.execution_options(isolation_level="READ COMMITTED")
        async with connection.begin():
            await connection.exec_driver_sql(LOCK_MIGRATION)
            await connection.exec_driver_sql(SHORT_LOCKS)
            yield connection


async def _migrate(connection: AsyncConnection) -> None:
    revision = await current_revision(connection)
    refuse_newer_revision(revision)
    grants = await granted(connection)  # a revision may drop a view in order to change a table
    if revision != HEAD:
        await connection.run_sync(_run_alembic)
    if not await reporting_layer.is_current(connection):
        await reporting_layer.apply_layer(connection, load_reporting_layer())
        await restore_grants(connection, grants)
    await renew_grants(connection)


async def _refuse_old_server(connection: AsyncConnection) -> None:
    number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    if number < OLDEST_SERVER:
        raise DatabaseError(
            f"Postgres {number // 10000} is too old.", hint="Use Postgres 15 to 18.", code="DATABASE_TOO_OLD"
        )


def _run_alembic(connection: Connection) -> None:
    # Imported here because Alembic takes longer to import than a sync takes to run.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    command.upgrade(config, "head")
