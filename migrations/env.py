"""Runs migrations on the connection that `cadence_sync.db.migrate` hands over, or on the configured database."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from cadence_sync.db.tables import SCHEMA, metadata

LOCK = 5_203_881_477_310_421
"""Advisory lock: two migrations at once run one after the other."""


def run(connection: Connection) -> None:
    """Migrate inside one transaction; a lock that is held for long by others fails the migration, not them."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
        compare_server_default=True,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        context.run_migrations()


async def run_on_configured_database() -> None:
    """Serve the `alembic` command of a developer."""
    from cadence_sync.settings import load_settings  # noqa: PLC0415 - only this path reads settings
    from cadence_sync.wiring import database  # noqa: PLC0415

    async with database(load_settings()) as engine, engine.begin() as connection:
        await connection.run_sync(run)


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_on_configured_database())
