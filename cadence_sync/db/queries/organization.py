"""One organization: how it stands, what Zoho newly sends, and what people did about it in the web UI."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.errors import NotFoundError

_DRIFT: Final = text("""
    SELECT path, sample, first_seen_at, last_seen_at FROM cadence_sync.schema_drift
    WHERE org_id = :org ORDER BY last_seen_at DESC, path COLLATE "C" LIMIT 200
""")
_SCHEDULE: Final = text("""
    SELECT org_id, sync_interval_seconds, sync_cron, time_zone, created_at FROM cadence_sync.orgs WHERE org_id = :org
""")


class Drift(msgspec.Struct, frozen=True):
    """A field or a word that Zoho sends and nobody knew."""

    path: str
    sample: str
    first_seen_at: datetime
    last_seen_at: datetime


class OrgScheduleRow(msgspec.Struct, frozen=True):
    """When it is synced, where it says so itself."""

    org_id: str
    seconds: float | None
    cron: str | None
    time_zone: str | None
    created_at: datetime


async def schedule(connection: AsyncConnection, org: str) -> OrgScheduleRow:
    """Return it; raises `NotFoundError` for an organization that is not stored."""
    row = (await connection.execute(_SCHEDULE, {"org": org})).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no organization {org!r}.", hint="The overview lists those that there are.")
    return OrgScheduleRow(*row)


async def check_known(connection: AsyncConnection, org: str | None) -> None:
    """Refuse to show only what is of an organization that is not stored: an empty page would say that it has none."""
    if org:
        await schedule(connection, org)


async def drift(connection: AsyncConnection, org: str) -> list[Drift]:
    """Return what was seen and not known, the latest first."""
    return [Drift(*row) for row in await connection.execute(_DRIFT, {"org": org})]
