"""What monitoring asks of the database: how each organization fares, and how long the queue is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import translate_errors
from cadence_sync.db.queue import Depth, depth

_ORGS: Final = text("""
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
    """One look at everything."""

    orgs: list[Row[tuple[object, ...]]]
    queue: Depth
    channels: Sequence[Row[tuple[object, ...]]]
    """Of each that was ever told something: how much it is still to be told, and how much it never took."""


async def vitals(engine: AsyncEngine) -> Vitals:
    """Look once; costs some index lookups for each organization."""
    with translate_errors():
        async with engine.connect() as connection:
            orgs = list(await connection.execute(_ORGS))
            channels = (await connection.execute(_CHANNELS)).all()
            return Vitals([row for row in orgs if row.stays], await depth(connection), channels)
