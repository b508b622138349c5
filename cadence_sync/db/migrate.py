"""Bringing a database to the schema that this code needs, and telling whether it is there."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import our_errors
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError

HEAD: Final = "0012"
"""The newest revision in migrations/versions; revisions are numbered, so that text compares them."""

_KEPT: Final = ("redactions", "learnt_fields", "org_credentials", "daily_runs", "web_actions")

OLDEST_SERVER: Final = 150000
"""Postgres 15, as `server_version_num` says it."""


async def migrate(engine: AsyncEngine, revision: str = "head") -> str:
    """Upgrade (or downgrade) to a revision and return the one that the database then has."""
    with our_errors():
        async with engine.begin() as connection:
            await _refuse_old_server(connection)
            current = await current_revision(connection)
            _refuse_newer(current)
            if revision == "base" and current is not None:
                await _refuse_to_lose(connection)
            await connection.run_sync(_run_alembic, revision, current)
            reached = await current_revision(connection)
            if reached == HEAD:
                from cadence_sync.db.grants import renew_grants  # noqa: PLC0415 - it asks for the revision here

                await renew_grants(connection)
    return reached or "none"


async def check_migrated(connection: AsyncConnection) -> None:
    """Raise `DatabaseError` unless the database is exactly at the revision that this code was written for."""
    current = await current_revision(connection)
    _refuse_newer(current)
    if current != HEAD:
        found = "has no tables of cadence-sync" if current is None else f"is at revision {current}, not {HEAD}"
        raise DatabaseError(f"The database {found}.", hint="Run `cadence-sync migrate`.", code="NOT_MIGRATED")


async def current_revision(connection: AsyncConnection) -> str | None:
    """Return the database's revision, or None where there is none."""
    table = f"{SCHEMA}.alembic_version"
    if await connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is None:
        return None
    revision: str | None = await connection.scalar(text(f"SELECT version_num FROM {table}"))  # noqa: S608 - a constant
    return revision


def _refuse_newer(current: str | None) -> None:
    if current is not None and current > HEAD:
        raise DatabaseError(
            f"The database is at revision {current}, newer than this cadence-sync knows ({HEAD}).",
            hint="Install a newer cadence-sync.",
            code="DATABASE_TOO_NEW",
        )


async def _refuse_to_lose(connection: AsyncConnection) -> None:
    """Downgrades keep what no older schema can hold; dropping everything would drop that too."""
    for table in _KEPT:
        name = f"{SCHEMA}.{table}"
        there = await connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None
        if there and await connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})")):  # noqa: S608 - constants
            raise DatabaseError(
                f"The table {name} holds what no older schema can: it is not dropped.",
                hint=f"To be rid of everything, drop the schema {SCHEMA} yourself.",
                code="NOT_EMPTY",
            )


async def _refuse_old_server(connection: AsyncConnection) -> None:
    number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    if number < OLDEST_SERVER:
        raise DatabaseError(
            f"Postgres {number // 10000} is too old.", hint="Use Postgres 15 to 18.", code="DATABASE_TOO_OLD"
        )


def _run_alembic(connection: Connection, revision: str, current: str | None) -> None:
    # Imported here because Alembic takes longer to import than a sync takes to run.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    downwards = revision == "base" or (current is not None and revision < current)
    (command.downgrade if downwards else command.upgrade)(config, revision)


def _scripts() -> Path:
    """The wheel carries the migrations inside the package; in a checkout they stand beside it."""
    package = Path(__file__).parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"
