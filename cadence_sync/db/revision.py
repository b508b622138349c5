"""Which schema a database has, and whether it is the one that this code was written for."""

import re
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync import __version__
from cadence_sync.db.migration_files import reporting_checksum
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError

HEAD: Final = "0001"
"""The newest revision in migrations/versions; revisions are numbered, so that text compares them."""

_RUN_MIGRATE: Final = "Run `cadence-sync migrate`."
# The catalog answers everybody; to_regclass() is refused without USAGE on the schema.
_EXISTS: Final = text("""
    SELECT EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relname = 'alembic_version'
    )
""")
_REVISION: Final = text(f"SELECT version_num FROM {SCHEMA}.alembic_version")  # noqa: S608 - a constant
_STATE: Final = text(f"""
    SELECT v.version_num AS revision, r.checksum, r.release
    FROM {SCHEMA}.alembic_version AS v LEFT JOIN {SCHEMA}.reporting_layer AS r ON true
""")  # noqa: S608 - a constant


async def current_revision(connection: AsyncConnection) -> str | None:
    """Return the database's revision, or None where there is none."""
    if not await connection.scalar(_EXISTS, {"schema": SCHEMA}):
        return None
    revision: str | None = await connection.scalar(_REVISION)
    return revision


async def check_migrated(connection: AsyncConnection) -> None:
    """Raise `DatabaseError` unless revision and reporting layer are those that this code was written for."""
    if not await connection.scalar(_EXISTS, {"schema": SCHEMA}):
        raise _not_migrated("The database has no tables of cadence-sync.")
    state = (await connection.execute(_STATE)).one()
    refuse_newer_revision(state.revision)
    if state.revision != HEAD:
        raise _not_migrated(f"The database is at revision {state.revision}, not {HEAD}.")
    refuse_newer_release(state.release)
    if state.checksum != reporting_checksum():
        raise _not_migrated("The database's reporting layer is out of date.")


def refuse_newer_revision(revision: str | None) -> None:
    """Raise `DatabaseError` for a revision that this code lacks."""
    if revision is not None and revision > HEAD:
        raise _too_new(f"The database is at revision {revision}, newer than this cadence-sync knows ({HEAD}).")


def refuse_newer_release(release: str | None) -> None:
    """Raise `DatabaseError` where a newer release applied the reporting layer: this one would replace it by its own."""
    if release is not None and _numbers(release) > _numbers(__version__):
        raise _too_new(f"The database's reporting layer is that of cadence-sync {release}, newer than {__version__}.")


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def _not_migrated(message: str) -> DatabaseError:
    return DatabaseError(message, hint=_RUN_MIGRATE, code="NOT_MIGRATED")


def _too_new(message: str) -> DatabaseError:
    return DatabaseError(message, hint="Install a newer cadence-sync.", code="DATABASE_TOO_NEW")
