"""The overview: what there is, what changed, how fresh it is."""

from datetime import date, datetime, time
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

WEEKS: Final = 13
"""Weeks of changes that are shown: some 90 days."""

_FRESHNESS: Final = """
    SELECT f.org_id, f.data_center, o.enabled AND o.removed_at IS NULL AS enabled, o.removed_at, f.watched_since,
           f.last_success_at, f.last_run_id, f.last_started_at, f.last_outcome, f.live, f.held, f.missing,
           f.quarantined, f.unknown_fields, o.consecutive_failures
    FROM ({of}) AS o
    JOIN cadence_reporting.sync_freshness AS f USING (org_id)
    ORDER BY org_id COLLATE "C"
"""
_PAGE: Final = text(
    _FRESHNESS.format(
        of="""
        SELECT * FROM cadence_sync.orgs
        WHERE strpos(lower(org_id), lower(coalesce(:search, ''))) > 0
        ORDER BY org_id COLLATE "C" LIMIT :size OFFSET :skip"""
    )
)
_ONE: Final = text(_FRESHNESS.format(of="SELECT * FROM cadence_sync.orgs WHERE org_id = :org"))
_ORGS: Final = text("""
    SELECT count(*) FROM cadence_sync.orgs WHERE strpos(lower(org_id), lower(coalesce(:search, ''))) > 0
""")
_LIVE: Final = text("""
    SELECT module_api_name AS module, status, count(*) AS cadences
    FROM cadence_sync.cadences
    WHERE deleted_at IS NULL AND (CAST(:org AS text) IS NULL OR org_id = :org)
    GROUP BY module_api_name, status
    ORDER BY sum(count(*)) OVER (PARTITION BY module_api_name) DESC, module_api_name COLLATE "C", cadences DESC
""")
# Organization by organization: each has its index by time, and there is none for all together.
_CHANGES: Final = text("""
    SELECT (changed_at AT TIME ZONE :zone)::date AS day, kind, count(*)
    FROM (
        SELECT DISTINCT c.org_id, c.cadence_id, c.version, c.kind, c.changed_at
        FROM cadence_sync.orgs AS o
        CROSS JOIN LATERAL (
            SELECT * FROM cadence_sync.cadence_changes AS c
            WHERE c.org_id = o.org_id AND c.changed_at >= CAST(:since AS timestamp) AT TIME ZONE :zone
        ) AS c
        WHERE CAST(:org AS text) IS NULL OR o.org_id = :org
    ) AS versions
    GROUP BY day, kind
    ORDER BY day, kind
""")


class Freshness(msgspec.Struct, frozen=True):
    """How an organization stands."""

    org_id: str
    data_center: str
    enabled: bool
    removed_at: datetime | None
    watched_since: datetime | None
    last_success_at: datetime | None
    last_run_id: int | None
    last_started_at: datetime | None
    last_outcome: str | None
    live: int
    held: int
    missing: int
    quarantined: int
    unknown_fields: int
    consecutive_failures: int


class Live(msgspec.Struct, frozen=True):
    """How many live cadences of a module have a status."""

    module: str | None
    status: str | None
    cadences: int


class Day(msgspec.Struct, frozen=True):
    """How many cadences were changed in one way on a day of the reader's zone."""

    day: date
    kind: str
    changes: int


async def freshness(
    connection: AsyncConnection, search: str | None, page: int, size: int
) -> tuple[list[Freshness], int]:
    """Return a page of the organizations, and how many there are in all."""
    total = await connection.scalar(_ORGS, {"search": search})
    rows = await connection.execute(_PAGE, {"search": search, "size": size, "skip": (page - 1) * size})
    return [Freshness(*row) for row in rows], int(total or 0)


async def one(connection: AsyncConnection, org: str) -> Freshness | None:
    """Return how one organization stands, or None where nothing is stored of it."""
    row = (await connection.execute(_ONE, {"org": org})).one_or_none()
    return None if row is None else Freshness(*row)


async def live(connection: AsyncConnection, org: str | None) -> list[Live]:
    """Count live cadences, the largest modules first."""
    return [Live(*row) for row in await connection.execute(_LIVE, {"org": org})]


async def changes(connection: AsyncConnection, org: str | None, since: date, zone: str) -> list[Day]:
    """Count changes by day and kind, from a day of this zone on."""
    values = {"org": org, "since": datetime.combine(since, time()), "zone": zone}
    return [Day(*row) for row in await connection.execute(_CHANGES, values)]
