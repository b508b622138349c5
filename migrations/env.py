"""Runs revisions on the connection that `cadence_sync.db.migrate` hands over, or on the configured database."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from cadence_sync.db.engine import SHORT_LOCKS
from cadence_sync.db.migrate import lock_migration
from cadence_sync.db.tables import SCHEMA, metadata

BOOKKEEPING = {"reader_limits", "reporting_layer"}
"""Tables of the reporting layer, no organization's: no metadata describes them, as none describes alembic_version."""


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether Alembic compares an object with the metadata."""
    return name == SCHEMA if kind == "schema" else not (kind == "table" and name in BOOKKEEPING)


def run(connection: Connection) -> None:
    """Run revisions in the transaction that the connection is in."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=is_ours,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on_configured_database() -> None:
    """Serve the `alembic` command of a developer."""
    from cadence_sync.config.settings import load_settings  # noqa: PLC0415 - only this path reads settings
    from cadence_sync.wiring import database  # noqa: PLC0415

    async with database(load_settings()) as engine, engine.connect() as connection:
        await lock_migration(connection)
        await connection.exec_driver_sql(SHORT_LOCKS)
        await connection.run_sync(run)
        await connection.commit()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_on_configured_database())
