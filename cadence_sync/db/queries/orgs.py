"""Organizations: how fresh each is, what Zoho newly sends, and what monitoring asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import open_connection
from cadence_sync.db.queue import Depth, depth
from cadence_sync.db.scope import OrgScope, in_scope, no_such_org_error

_FRESHNESS: Final = """
    SELECT f.org_id, f.data_center, o.enabled AND o.removed_at IS NULL AS enabled, o.removed_at, f.watched_since,
           f.last_success_at, f.last_run_id, f.last_started_at, f.last_outcome, f.live, f.held, f.missing,
           f.quarantined, f.unknown_fields, o.consecutive_failures,
           o.sync_interval_seconds AS seconds, o.sync_cron AS cron, o.time_zone
    FROM ({of}) AS o
    JOIN cadence_reporting.sync_freshness AS f USING (org_id)
    ORDER BY org_id COLLATE "C"
"""
_FOUND: Final = f"""
    FROM cadence_sync.orgs
    WHERE strpos(lower(org_id), lower(coalesce(:search, ''))) > 0 AND {in_scope("org_id")}
"""
_COUNT: Final = text(f"SELECT count(*) {_FOUND}")
_ONE_PAGE: Final = f'SELECT * {_FOUND} ORDER BY org_id COLLATE "C" LIMIT :size OFFSET :skip'
_PAGE: Final = text(_FRESHNESS.format(of=_ONE_PAGE))
_ORG: Final = text(_FRESHNESS.format(of="SELECT * FROM cadence_sync.orgs WHERE org_id = :org"))
_DRIFT: Final = text("""
    SELECT path, sample, first_seen_at, last_seen_at FROM cadence_sync.schema_drift
    WHERE org_id = :org ORDER BY last_seen_at DESC, path COLLATE "C" LIMIT 200
""")
_EXISTS: Final = text("SELECT true FROM cadence_sync.orgs WHERE org_id = :org")
_VITALS: Final = text("""
    SELECT f.org_id, o.enabled AND o.removed_at IS NULL AS enabled, o.removed_at IS NULL AS stays,
           o.consecutive_failures,
           extract(epoch FROM f.last_success_at)::float8 AS last_success, f.quarantined, f.held, f.unknown_fields,
           (SELECT r.credits_left FROM cadence_sync.sync_runs AS r
            WHERE r.org_id = f.org_id AND r.run_id = f.last_run_id) AS credits_left
    FROM cadence_reporting.sync_freshness AS f
    JOIN cadence_sync.orgs AS o USING (org_id)
""")
_CHANNELS: Final = text("""
    SELECT channel, count(*) FILTER (WHERE sent_at IS NULL AND dead_lettered_at IS NULL) AS pending,
        count(*) FILTER (WHERE dead_lettered_at IS NOT NULL) AS dead_lettered
    FROM cadence_sync.alert_outbox GROUP BY channel
""")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the metrics are made of."""

    orgs: list[Row[Any]]
    queue: Depth
    channels: Sequence[Row[Any]]


async def load_vitals(engine: AsyncEngine) -> Vitals:
    async with open_connection(engine) as connection:
        orgs = list(await connection.execute(_VITALS))
        channels = (await connection.execute(_CHANNELS)).all()
        return Vitals([row for row in orgs if row.stays], await depth(connection), channels)


async def list_orgs(
    connection: AsyncConnection, scope: OrgScope, search: str | None, page: int, size: int
) -> tuple[Sequence[Row[Any]], int]:
    values = scope.values | {"search": search}
    total = await connection.scalar(_COUNT, values)
    rows = await connection.execute(_PAGE, values | {"size": size, "skip": (page - 1) * size})
    return rows.all(), int(total or 0)


async def check_org(connection: AsyncConnection, org: str) -> None:
    """Raises `NotFoundError` for an organization that is not stored: an empty page would say that it has no rows."""
    if (await connection.execute(_EXISTS, {"org": org})).one_or_none() is None:
        raise no_such_org_error(org)


async def load_org(connection: AsyncConnection, org: str) -> Row[Any]:
    return (await connection.execute(_ORG, {"org": org})).one()


async def load_drift(connection: AsyncConnection, org: str) -> Sequence[Row[Any]]:
    return (await connection.execute(_DRIFT, {"org": org})).all()
