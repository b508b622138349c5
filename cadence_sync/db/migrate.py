"""Brings a database to the schema that this code needs: the tables by revisions, the reporting layer by its files."""

from collections.abc import Sequence
from typing import Final

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db import audit, reporting_layer, server_versions
from cadence_sync.db.engine import LOCK_MIGRATION, SHORT_LOCKS, driver_connection, open_connection
from cadence_sync.db.revision import (
    HEAD,
    REPORTING,
    current_revision,
    has_revision_table,
    load_reporting_layer,
    migrations_folder,
    refuse_newer_revision,
)
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError
from cadence_sync.ports import Actor

# As Alembic would create it. Two that do so at once wait for each other, as for a lock.
_REVISION_TABLE: Final = f"""
    CREATE TABLE {SCHEMA}.alembic_version (
        version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
"""
_MISSING: Final = text("""
    WITH wanted AS (
        SELECT s.name, n.oid, n.nspowner FROM unnest(CAST(:schemas AS text[])) AS s (name)
        LEFT JOIN pg_namespace AS n ON n.nspname = s.name
    ), owned AS (
        SELECT c.relowner AS owner, format('%I.%I', w.name, c.relname) AS name
        FROM wanted AS w JOIN pg_class AS c ON c.relnamespace = w.oid
        WHERE c.relkind IN ('r', 'p', 'v', 'S') AND (w.name <> :reporting OR c.relname = ANY(:views))
        UNION ALL
        SELECT p.proowner, format('%I.%I', w.name, p.proname)
        FROM wanted AS w JOIN pg_proc AS p ON p.pronamespace = w.oid
        WHERE w.name <> :reporting OR p.proname = ANY(:routines)
        UNION ALL
        -- The table that records the applied layer.
        SELECT c.relowner, format('%I.%I', n.nspname, c.relname)
        FROM wanted AS w JOIN pg_class AS c ON c.relname = 'reporting_layer'
        JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = :tables
        WHERE w.name = :reporting
    )
    SELECT format('CREATE on the database %I', current_database()) AS privilege,
           format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) AS statement
    FROM wanted AS w
    WHERE w.oid IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
    UNION
    SELECT format('%s on the schema %I', p.privilege, w.name),
           format('GRANT %s ON SCHEMA %I TO %I', p.privilege, w.name, current_user)
    FROM wanted AS w CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) AS p (privilege)
    WHERE NOT has_schema_privilege(w.oid, p.privilege)
    UNION
    SELECT format('ownership of %s', min(o.name)),
           format('GRANT %I TO %I', pg_get_userbyid(o.owner), current_user)
    FROM owned AS o
    WHERE NOT pg_has_role(o.owner, 'USAGE')
    GROUP BY o.owner
    ORDER BY statement
""")
_READABLE: Final = text("""
    SELECT coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')), true)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname IN ('alembic_version', 'reporting_layer')
""")


async def migrate(engine: AsyncEngine, also: Sequence[str] = (), by: Actor | None = None) -> str:
    """Brings the database to this code's schema in one transaction; returns its revision.

    Where there is nothing to do it writes nothing and takes no lock. `also` names schemas that the caller is about to
    alter: the rights on them are checked together with those that are needed here, before anything is changed.
    What a person applied enters the audit log; for a database of its own a program leaves `by` out.
    """
    async with open_connection(engine) as connection:
        number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
        if number < server_versions.OLDEST:
            raise DatabaseError(
                f"Postgres {number // 10000} is too old.", hint="Use Postgres 15 to 18.", code="DATABASE_TOO_OLD"
            )
        schemas = await _outdated_schemas(connection)
        await _check_rights(connection, [*schemas, *also])
        pending = bool(schemas) or bool(await reporting_layer.load_lacking_grants(connection))
    if pending:
        # It must see what another `migrate` committed while this one waited for the lock.
        async with open_connection(engine, "READ COMMITTED") as connection:
            await lock_migration(connection)
            await connection.exec_driver_sql(SHORT_LOCKS)
            await _migrate(connection, by)
            await connection.commit()
    return HEAD


async def lock_migration(connection: AsyncConnection) -> None:
    """Lets one migration at a time go on, in the transaction that it begins.

    On a database without tables that is the one which creates the first of them; it may fail and leave nothing.
    """
    while not await has_revision_table(connection):
        driver = await driver_connection(connection)
        try:
            # IF NOT EXISTS would need CREATE on the database even where the schema exists.
            if not await connection.scalar(text("SELECT to_regnamespace(:schema) IS NOT NULL"), {"schema": SCHEMA}):
                await driver.execute(f"CREATE SCHEMA {SCHEMA}")
            await driver.execute(_REVISION_TABLE)
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateSchemaError, asyncpg.DuplicateTableError):
            await connection.rollback()  # another one was first, and has ended
        else:
            return
    await connection.exec_driver_sql(LOCK_MIGRATION)


async def check_migration_rights(engine: AsyncEngine, also: Sequence[str] = ()) -> None:
    """Raises the `DatabaseError` that `migrate` would raise for rights that its user lacks."""
    async with open_connection(engine) as connection:
        await _check_rights(connection, [*await _outdated_schemas(connection), *also])


async def _check_rights(connection: AsyncConnection, schemas: Sequence[str]) -> None:
    """Raises `DatabaseError` with the statements that an administrator must run before these schemas can be altered.

    A schema that exists needs USAGE and CREATE on it, one that does not needs CREATE on the database. Of the reporting
    schema, which may hold objects of users, only those of the layer count.
    """
    if not schemas:
        return
    layer = load_reporting_layer()
    names = {"schemas": list(schemas), "views": layer.views, "routines": layer.routines}
    missing = (await connection.execute(_MISSING, {"tables": SCHEMA, "reporting": REPORTING} | names)).all()
    if missing:
        lacking = ", ".join(each.privilege for each in missing)
        grants = "; ".join(each.statement for each in missing)
        raise DatabaseError(
            f"The database user may not migrate: it lacks {lacking}.",
            hint=f"Let an administrator run: {grants}; then run `cadence-sync migrate`. Nothing was changed.",
            code="DATABASE_PERMISSION",
        )


async def _outdated_schemas(connection: AsyncConnection) -> Sequence[str]:
    """Returns the schemas that must be altered; all where this user cannot see what is in them."""
    if not await connection.scalar(_READABLE, {"schema": SCHEMA}):
        return SCHEMA, REPORTING
    revision = await current_revision(connection)
    refuse_newer_revision(revision)
    if revision != HEAD:
        return SCHEMA, REPORTING
    return () if await reporting_layer.is_current(connection) else (REPORTING,)


async def _migrate(connection: AsyncConnection, by: Actor | None) -> None:
    revision = await current_revision(connection)
    refuse_newer_revision(revision)
    grants = await reporting_layer.load_grants(connection)  # a revision may drop a view in order to change a table
    if revision != HEAD:
        await connection.run_sync(_run_alembic)
    is_new_layer = not await reporting_layer.is_current(connection)
    if is_new_layer:
        await reporting_layer.apply_layer(connection, load_reporting_layer())
        await reporting_layer.restore_grants(connection, grants)
    if by is not None and (is_new_layer or revision != HEAD):
        details = {"before": revision, "revision": HEAD, "reporting": is_new_layer}
        await audit.enter(connection, by, "migrate", f"revision {HEAD}", details=details)
    for grant in await reporting_layer.load_lacking_grants(connection):
        await connection.exec_driver_sql(grant)


def _run_alembic(connection: Connection) -> None:
    # Imported here because Alembic takes longer to import than a sync takes to run.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    command.upgrade(config, "head")
