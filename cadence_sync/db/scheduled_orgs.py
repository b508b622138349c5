"""What the scheduler knows of each organization: its schedule, when it ran last, and how often it failed since."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from cadence_sync.db.engine import translate_errors

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
