"""The organizations in the database: added, changed, removed and purged in one transaction each, behind their locks."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg
from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.config.orgs import OrgConfig, Schedule
from cadence_sync.db import audit, credentials
from cadence_sync.db.cipher import Cipher
from cadence_sync.db.engine import LOCK_ORG, autocommit, transaction, translate_errors
from cadence_sync.db.queue import drop_job
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import SCHEMA, metadata
from cadence_sync.db.tables.history import orgs
from cadence_sync.db.tables.running import org_credentials
from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.ports import Actor

_GUARDED: Final = text("""
    SELECT DISTINCT c.relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = to_regnamespace(:schema) AND NOT t.tgisinternal AND c.relname <> ALL(:kept) ORDER BY 1
""")
"""Tables whose triggers keep history from being rewritten, but for those that a purge keeps."""
KEPT: Final = frozenset({"audit_log", "deletion_decisions", "redactions"})
"""Tables that say what people did: a purge adds to them and deletes nothing."""


@dataclass(frozen=True, slots=True)
class OrgRow:
    org_id: str
    data_center: str
    enabled: bool = True
    sync_interval_seconds: float | None = None
    sync_cron: str | None = None
    time_zone: str | None = None
    consecutive_failures: int = 0
    last_run_at: datetime | None = None
    removed_at: datetime | None = None
    updated_at: datetime | None = None
    """When its credentials were stored; None where they come from the settings."""
    encrypted_credentials: bytes | None = field(default=None, repr=False)

    @property
    def is_stored(self) -> bool:
        return self.updated_at is not None and self.removed_at is None


def _select_rows(*hidden: str) -> Select[Any]:
    names = [name for name in OrgRow.__dataclass_fields__ if name not in hidden]
    columns = [orgs.c[name] if name in orgs.c else org_credentials.c[name] for name in names]
    joined = orgs.outerjoin(org_credentials, org_credentials.c.org_id == orgs.c.org_id)
    return select(*columns).select_from(joined).order_by(orgs.c.org_id)


_SCHEDULED: Final = str(_select_rows("encrypted_credentials"))


async def load_orgs(engine: AsyncEngine, org_ids: Collection[str] | None = None) -> dict[str, OrgRow]:
    """Returns all organizations that were ever synced or added, removed ones too, or those with these ids."""
    statement = _select_rows()
    if org_ids is not None:
        statement = statement.where(orgs.c.org_id.in_(filter(_is_text, org_ids)))
    async with autocommit(engine) as connection:
        return {row["org_id"]: OrgRow(**row) for row in (await connection.execute(statement)).mappings()}


async def load_scheduled_orgs(connection: asyncpg.Connection) -> list[OrgRow]:
    with translate_errors():
        return [OrgRow(**row) for row in await connection.fetch(_SCHEDULED)]


async def check_free(engine: AsyncEngine, org_id: str, *, replace: bool) -> None:
    """Raises `ArgumentError` where credentials are stored that are not to be replaced.

    It waits for the lock that `upsert_org` needs, so that a long wait comes before anything is spent.
    """
    async with org_transaction(engine, org_id) as connection:
        await _check_free(connection, org_id, replace=replace)


async def upsert_org(
    engine: AsyncEngine, cipher: Cipher, org: OrgConfig, schedule: Schedule | None, by: Actor, *, replace: bool
) -> None:
    """Stores an organization and its credentials; without a schedule it keeps the one that it has."""
    row: dict[str, Any] = {"org_id": org.org_id, "data_center": org.data_center} | _columns(schedule)
    statement = insert(orgs).values(row)
    # One that comes back is synced again, even if it was paused when it went.
    enabled = or_(orgs.c.enabled, orgs.c.removed_at.is_not(None))
    again = row | {"consecutive_failures": 0, "removed_at": None, "enabled": enabled}
    async with org_transaction(engine, org.org_id) as connection:
        # First, because two may add the same organization: the second one waits here.
        await connection.execute(statement.on_conflict_do_update(index_elements=["org_id"], set_=again))
        await _check_free(connection, org.org_id, replace=replace)
        await credentials.store_credentials(connection, cipher, org)
        result = "new credentials" if replace else "added"
        await audit.enter(connection, by, "org add", result, org_id=org.org_id, details=row)


async def set_enabled(engine: AsyncEngine, org_id: str, by: Actor, *, enabled: bool) -> None:
    """Pauses an organization, also in the queue, or resumes it with no failures on record."""
    values: dict[str, Any] = {"enabled": enabled} | ({"consecutive_failures": 0} if enabled else {})
    async with org_transaction(engine, org_id) as connection:
        if not enabled:
            await drop_job(connection, org_id)
        await _update(connection, org_id, values)
        action, result = ("org resume", "resumed") if enabled else ("org pause", "paused")
        await audit.enter(connection, by, action, result, org_id=org_id)


async def set_schedule(engine: AsyncEngine, org_id: str, schedule: Schedule, by: Actor) -> None:
    async with org_transaction(engine, org_id) as connection:
        await _update(connection, org_id, _columns(schedule))
        await audit.enter(connection, by, "org schedule", "changed", org_id=org_id, details=_columns(schedule))


async def remove_org(engine: AsyncEngine, org_id: str, by: Actor) -> None:
    """Takes an organization out of schedule and queue and deletes its credentials; its history stays."""
    values = {"removed_at": func.now(), "consecutive_failures": 0} | _columns(Schedule())
    async with org_transaction(engine, org_id) as connection:
        await credentials.delete_credentials(connection, org_id)
        await drop_job(connection, org_id)
        await _update(connection, org_id, values)
        await audit.enter(connection, by, "org remove", "removed", org_id=org_id)


async def purge(engine: AsyncEngine, org_id: str, by: Actor) -> dict[str, int]:
    """Deletes an organization and its whole history; returns the number of deleted rows by table.

    What people did stays, and that they purged it is added: `KEPT` names the tables.
    Only the owner can switch off the triggers that keep history, and does so while the tables are locked against
    all other writers: until the commit nothing else can be rewritten.
    """
    async with org_transaction(engine, org_id) as connection:
        # Every writer of history moves a fence here first: later locks then wait for none of them.
        await connection.execute(text(f"LOCK TABLE {SCHEMA}.orgs IN SHARE ROW EXCLUSIVE MODE"))
        guarded = list(await connection.scalars(_GUARDED, {"schema": SCHEMA, "kept": sorted(KEPT)}))
        await _switch_triggers(connection, guarded, "DISABLE")
        tables = [each for each in metadata.sorted_tables if "org_id" in each.c and each.name not in KEPT]
        counts = {table.name: 0 for table in tables}
        # Those that refer to others come last in that order.
        for table in reversed(tables):
            deleted = await connection.execute(table.delete().where(table.c.org_id == org_id))
            counts[table.name] = deleted.rowcount
        if not counts["orgs"]:
            raise no_such_org_error(org_id)
        await drop_job(connection, org_id)  # a worker that took it would enter a run, and the organization with it
        # Deferred constraints are proved now: no table may be altered while they are pending.
        await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        await _switch_triggers(connection, guarded, "ENABLE")
        deleted_rows = {name: count for name, count in counts.items() if count}
        await audit.enter(connection, by, "org remove --purge", "purged", org_id=org_id, details={"rows": deleted_rows})
    return counts


def no_such_org_error(org_id: str) -> NotFoundError:
    return NotFoundError(f"There is no organization {org_id!r}.", hint="`cadence-sync org list` shows all.")


@asynccontextmanager
async def org_transaction(engine: AsyncEngine, org_id: str) -> AsyncIterator[AsyncConnection]:
    if not _is_text(org_id):
        raise no_such_org_error(org_id)
    async with transaction(engine) as connection:
        await check_migrated(connection)
        await connection.execute(LOCK_ORG, {"org_id": org_id})
        yield connection


def _is_text(org_id: str) -> bool:
    """Whether Postgres can be asked for it: bytes that are not UTF-8 arrive as halves of surrogate pairs."""
    return org_id.encode(errors="ignore").decode() == org_id


async def _check_free(connection: AsyncConnection, org_id: str, *, replace: bool) -> None:
    stored = select(org_credentials.c.org_id).where(org_credentials.c.org_id == org_id)
    if not replace and await connection.scalar(stored) is not None:
        raise ArgumentError(
            f"There is an organization {org_id!r} already.",
            hint="Choose another id, or give it new credentials with --replace.",
            code="ORG_EXISTS",
        )


async def _update(connection: AsyncConnection, org_id: str, values: dict[str, Any]) -> None:
    statement = orgs.update().where(orgs.c.org_id == org_id, orgs.c.removed_at.is_(None)).values(values)
    if (await connection.execute(statement)).rowcount == 0:
        raise no_such_org_error(org_id)


async def _switch_triggers(connection: AsyncConnection, tables: list[str], how: str) -> None:
    for table in tables:
        await connection.execute(text(f"ALTER TABLE {SCHEMA}.{table} {how} TRIGGER USER"))


def _columns(schedule: Schedule | None) -> dict[str, Any]:
    if schedule is None:
        return {}
    return {"sync_interval_seconds": schedule.seconds, "sync_cron": schedule.cron, "time_zone": schedule.time_zone}
