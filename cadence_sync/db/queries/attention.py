"""What wants a person: held deletions, failing and stale organizations, unreadable records, unknown fields."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KINDS: Final = ("held", "failing", "stale", "quarantined", "drift")
"""What there may be, the gravest first."""
MISSED: Final = 3.0
"""Intervals without a good sync after which an organization is stale, as Prometheus's rules have it."""
DRIFTS: Final = 2
"""Days for which a field that was seen last is news: it is noted once a day."""

_ALL: Final = """
    WITH schedules AS (
        SELECT * FROM unnest(CAST(:names AS text[]), CAST(:seconds AS float8[])) AS r (org_id, seconds)
    ), due AS (
        SELECT o.*, coalesce(r.seconds, o.sync_interval_seconds, CAST(:interval AS float8)) AS seconds
        FROM cadence_sync.orgs AS o LEFT JOIN schedules AS r USING (org_id)
        WHERE o.enabled AND o.removed_at IS NULL
    ), found AS (
        SELECT 1 AS rank, 'held' AS kind, org_id, max(hold_id) AS run_id, count(*) AS number,
               min(missing_since) AS since, NULL AS words
        FROM cadence_sync.held_deletions WHERE decision IS NULL GROUP BY org_id
        UNION ALL
        SELECT 2, 'failing', d.org_id, r.run_id, d.consecutive_failures, r.started_at, r.error_message
        FROM due AS d
        LEFT JOIN LATERAL (
            SELECT * FROM cadence_sync.sync_runs AS r
            WHERE r.org_id = d.org_id AND r.outcome IS NOT NULL ORDER BY r.run_id DESC LIMIT 1
        ) AS r ON true
        WHERE d.consecutive_failures > 0
        UNION ALL
        SELECT 3, 'stale', d.org_id, NULL, NULL, coalesce(d.last_listed_at, d.created_at), NULL
        FROM due AS d
        WHERE coalesce(d.last_listed_at, d.created_at)
            < CAST(:now AS timestamptz) - d.seconds * CAST(:missed AS float8) * interval '1 second'
        UNION ALL
        SELECT 4, 'quarantined', good.org_id, good.run_id, good.quarantined, good.started_at, NULL
        FROM (SELECT DISTINCT org_id FROM cadence_sync.quarantined_records) AS q
        CROSS JOIN LATERAL (
            SELECT * FROM cadence_sync.sync_runs AS r
            WHERE r.org_id = q.org_id AND r.outcome <> 'failed' ORDER BY r.run_id DESC LIMIT 1
        ) AS good
        WHERE good.quarantined > 0
        UNION ALL
        SELECT 5, 'drift', org_id, NULL, count(*), max(last_seen_at), NULL
        FROM cadence_sync.schema_drift
        WHERE last_seen_at > CAST(:now AS timestamptz) - CAST(:drifts AS integer) * interval '1 day'
        GROUP BY org_id
    )
"""
_OF_ORG: Final = "(CAST(:org AS text) IS NULL OR org_id = :org)"
_COUNTS: Final = text(f"{_ALL} SELECT kind, count(*) FROM found WHERE {_OF_ORG} GROUP BY kind")  # noqa: S608 - our own constants
_ITEMS: Final = text(
    f"""{_ALL}
    SELECT kind, org_id, run_id, number, since, words FROM found
    WHERE {_OF_ORG} AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    ORDER BY rank, org_id COLLATE "C" LIMIT :size OFFSET :skip
"""  # noqa: S608 - our own constants
)


class Item(msgspec.Struct, frozen=True):
    """One thing that somebody should look at."""

    kind: str
    org_id: str
    run_id: int | None
    number: int | None
    since: datetime | None
    words: str | None


class AttentionPage(msgspec.Struct, frozen=True):
    """What there is of each kind, and a page of it."""

    counts: dict[str, int]
    items: list[Item]

    def total(self, kind: str | None) -> int:
        """Return how many there are of a kind, or of all."""
        return sum(self.counts.values()) if kind is None else self.counts.get(kind, 0)


class AttentionQuery(msgspec.Struct, frozen=True):
    """When it is, and how often each organization is to be synced: `interval`, but for those of `schedules`."""

    now: datetime
    interval: float
    schedules: Mapping[str, float]


async def attention(
    connection: AsyncConnection, look: AttentionQuery, org: str | None, kind: str | None, page: int, size: int
) -> AttentionPage:
    """Look for everything, of all organizations or of one; the gravest come first."""
    own = {name: seconds for name, seconds in look.schedules.items() if seconds != look.interval}
    values: dict[str, object] = {
        "org": org,
        "now": look.now,
        "interval": look.interval,
        "names": list(own),
        "seconds": list(own.values()),
        "missed": MISSED,
        "drifts": DRIFTS,
    }
    counts = {row[0]: int(row[1]) for row in await connection.execute(_COUNTS, values)}
    if not counts:
        return AttentionPage({}, [])
    of_page = values | {"kind": kind, "size": size, "skip": (page - 1) * size}
    return AttentionPage(counts, [Item(*row) for row in await connection.execute(_ITEMS, of_page)])
