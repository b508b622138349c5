"""The organizations that the database knows: added, changed and removed one transaction each, behind their locks."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg
from sqlalchemy import Text, cast, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db import credentials
from cadence_sync.db.crypto import Cipher
from cadence_sync.db.engine import LOCK_ORG, translate_errors
from cadence_sync.db.queue import drop_job
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import org_credentials, orgs
from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.orgs.config import OrgConfig, Schedule


@dataclass(frozen=True, slots=True)
class OrgRow:
    """One organization as it is stored, its credentials encrypted."""

    org_id: str
    data_center: str
    enabled: bool
    sync_interval_seconds: float | None
    sync_cron: str | None
    time_zone: str | None
    consecutive_failures: int
    last_run_at: datetime | None
    removed_at: datetime | None
    updated_at: datetime | None
    """When its credentials were stored."""
    encrypted_credentials: bytes | None = field(repr=False)

    @property
    def is_stored(self) -> bool:
        """Whether it can be reached with what the database holds."""
        return self.encrypted_credentials is not None and self.removed_at is None


async def load_orgs(engine: AsyncEngine, org_ids: Collection[str] | None = None) -> dict[str, OrgRow]:
    """Return all organizations that were ever synced or added, or those of these that were, removed ones too."""
    columns = [
        (org_credentials if name in {"updated_at", "encrypted_credentials"} else orgs).c[name] for name in _COLUMNS
    ]
    joined = orgs.outerjoin(org_credentials, org_credentials.c.org_id == orgs.c.org_id)
    statement = select(*columns).select_from(joined).order_by(orgs.c.org_id)
    if org_ids is not None:
        statement = statement.where(orgs.c.org_id.in_(filter(_is_text, org_ids)))
    with translate_errors():
        async with engine.connect() as connection:
            return {row["org_id"]: OrgRow(**row) for row in (await connection.execute(statement)).mappings()}


async def credentials_version(engine: AsyncEngine, org_id: str) -> str | None:
    """Return when the credentials of an organization were stored, empty if none are; None if it is gone."""
    stored = func.coalesce(cast(org_credentials.c.updated_at, Text), "")
    joined = orgs.outerjoin(org_credentials, org_credentials.c.org_id == orgs.c.org_id)
    statement = select(stored).select_from(joined).where(orgs.c.org_id == org_id, orgs.c.removed_at.is_(None))
    with translate_errors():
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            return await connection.scalar(statement)


_COLUMNS = tuple(OrgRow.__dataclass_fields__)


async def check_free(engine: AsyncEngine, org_id: str, *, replace: bool) -> None:
    """Raise `ArgumentError` where credentials are stored that are not to be replaced.

    It waits for the lock that `admit` needs: whoever holds it for long is met before anything is spent.
    """
    async with org_transaction(engine, org_id) as connection:
        await _check_free(connection, org_id, replace=replace)


async def upsert_org(
    engine: AsyncEngine, cipher: Cipher, org: OrgConfig, schedule: Schedule | None, *, replace: bool
) -> None:
    """Store an organization and its credentials; without a schedule it keeps the one that it has."""
    row: dict[str, Any] = {"org_id": org.org_id, "data_center": org.data_center} | _columns(schedule)
    statement = insert(orgs).values(row)
    # One that comes back is synced again, even if it was paused when it went.
    enabled = or_(orgs.c.enabled, orgs.c.removed_at.is_not(None))
    again = row | {"consecutive_failures": 0, "removed_at": None, "enabled": enabled}
    async with org_transaction(engine, org.org_id) as connection:
        await _check_free(connection, org.org_id, replace=replace)
        await connection.execute(statement.on_conflict_do_update(index_elements=["org_id"], set_=again))
        await credentials.store_credentials(connection, cipher, org)


async def set_enabled(engine: AsyncEngine, org_id: str, *, enabled: bool) -> None:
    """Pause an organization, also in the queue, or resume it; resumed, it starts without a record of failures."""
    values: dict[str, Any] = {"enabled": enabled} | ({"consecutive_failures": 0} if enabled else {})
    await _change(engine, org_id, values, unqueue=not enabled)


async def set_schedule(engine: AsyncEngine, org_id: str, schedule: Schedule) -> None:
    """Sync an organization at other times."""
    await _change(engine, org_id, _columns(schedule))


async def remove_org(engine: AsyncEngine, org_id: str) -> None:
    """Take an organization out of all that is synced, queue included, and delete its credentials; its history stays."""
    values = {"removed_at": func.now(), "consecutive_failures": 0} | _columns(Schedule())
    await _change(engine, org_id, values, forget=True, unqueue=True)


async def _change(
    engine: AsyncEngine, org_id: str, values: dict[str, Any], *, forget: bool = False, unqueue: bool = False
) -> None:
    there = (orgs.c.org_id == org_id, orgs.c.removed_at.is_(None))
    async with org_transaction(engine, org_id) as connection:
        if forget:
            await credentials.delete_credentials(connection, org_id)
        if unqueue:
            await drop_job(connection, org_id)
        if (await connection.execute(orgs.update().where(*there).values(values))).rowcount == 0:
            raise no_such_org_error(org_id)


def no_such_org_error(org_id: str) -> NotFoundError:
    """Return what is said of an organization that is not stored, or is removed."""
    return NotFoundError(f"There is no organization {org_id!r}.", hint="`cadence-sync org list` shows all.")


@asynccontextmanager
async def org_transaction(engine: AsyncEngine, org_id: str) -> AsyncIterator[AsyncConnection]:
    """Yield a transaction behind the organization's lock."""
    if not _is_text(org_id):
        raise no_such_org_error(org_id)
    with translate_errors():
        async with engine.begin() as connection:
            await check_migrated(connection)
            await connection.execute(LOCK_ORG, {"org_id": org_id})
            yield connection


def _is_text(org_id: str) -> bool:
    """Whether Postgres can be asked for it: bytes that are no UTF-8 arrive as halves of surrogate pairs."""
    return org_id.encode(errors="ignore").decode() == org_id


async def _check_free(connection: AsyncConnection, org_id: str, *, replace: bool) -> None:
    stored = select(org_credentials.c.org_id).where(org_credentials.c.org_id == org_id)
    if not replace and await connection.scalar(stored) is not None:
        raise ArgumentError(
            f"There is an organization {org_id!r} already.",
            hint="Choose another id, or give it new credentials with --replace.",
            code="ORG_EXISTS",
        )


def _columns(schedule: Schedule | None) -> dict[str, Any]:
    if schedule is None:
        return {}
    return {"sync_interval_seconds": schedule.seconds, "sync_cron": schedule.cron, "time_zone": schedule.time_zone}


_PLANNED: Final = """
    SELECT o.org_id, o.data_center, o.enabled, o.removed_at IS NOT NULL AS removed, o.sync_interval_seconds,
           o.sync_cron,
           o.time_zone, o.consecutive_failures, o.last_run_at, coalesce(c.updated_at::text, '') AS edition
    FROM cadence_sync.orgs AS o
    LEFT JOIN cadence_sync.org_credentials AS c USING (org_id)
    ORDER BY o.org_id
"""


@dataclass(frozen=True, slots=True)
class ScheduledOrg:
    """One organization as the database knows it."""

    org_id: str
    data_center: str
    enabled: bool
    removed: bool
    seconds: float | None
    cron: str | None
    time_zone: str | None
    consecutive_failures: int
    last_run_at: datetime | None
    credentials_version: str
    """When its credentials were stored; empty where they come from the settings."""


async def load_scheduled_orgs(connection: asyncpg.Connection) -> list[ScheduledOrg]:
    """Return every organization that has a row, paused and removed ones too."""
    with translate_errors():
        return [ScheduledOrg(*row) for row in await connection.fetch(_PLANNED)]
