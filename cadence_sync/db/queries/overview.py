"""The overview: what needs attention, what is live, and what changed by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.scope import OrgScope, in_scope

ATTENTION_KINDS: Final = ("held", "failing", "stale", "quarantined", "drift")
"""What may need attention, the most severe first."""
MISSED: Final = 3.0
"""Intervals without a good sync after which an organization is stale, as in the Prometheus rules."""
DRIFT_DAYS: Final = 2
"""Days for which an unknown field is news: it is noted once a day."""
WEEKS: Final = 13
"""Weeks of changes that are shown, some 90 days."""

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
_OF_ORG: Final = in_scope("org_id")
_COUNTS: Final = text(f"{_ALL} SELECT kind, count(*) FROM found WHERE {_OF_ORG} GROUP BY kind")  # noqa: S608 - our own constants
_ITEMS: Final = text(f"""{_ALL}
    SELECT kind, org_id, run_id, number, since, words FROM found
    WHERE {_OF_ORG} AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    ORDER BY rank, org_id COLLATE "C" LIMIT :size OFFSET :skip
""")  # noqa: S608 - our own constants
_LIVE: Final = text(f"""
    SELECT module_api_name AS module, status, count(*) AS cadences
    FROM cadence_sync.cadences
    WHERE deleted_at IS NULL AND {in_scope("org_id")}
    GROUP BY module_api_name, status
    ORDER BY sum(count(*)) OVER (PARTITION BY module_api_name) DESC, module_api_name COLLATE "C", cadences DESC
""")  # noqa: S608 - our own constants
# Each organization has an index by time; there is none for all of them.
_CHANGES: Final = text(f"""
    SELECT (changed_at AT TIME ZONE :zone)::date AS day, kind, count(*)
    FROM (
        SELECT DISTINCT c.org_id, c.cadence_id, c.version, c.kind, c.changed_at
        FROM cadence_sync.orgs AS o
        CROSS JOIN LATERAL (
            SELECT * FROM cadence_sync.cadence_changes AS c
            WHERE c.org_id = o.org_id AND c.changed_at >= CAST(:since AS timestamp) AT TIME ZONE :zone
        ) AS c
        WHERE {in_scope("o.org_id")}
    ) AS versions
    GROUP BY day, kind
    ORDER BY day, kind
""")  # noqa: S608 - our own constants


class Attention(NamedTuple):
    """The number of items of each kind, and a page of them."""

    counts: Mapping[str, int]
    rows: Sequence[Row[Any]]

    def total(self, kind: str | None) -> int:
        return sum(self.counts.values()) if kind is None else self.counts.get(kind, 0)


@dataclass(frozen=True, slots=True)
class AttentionQuery:
    """The time, and the seconds between two syncs of an organization: `interval`, but for those of `schedules`."""

    now: datetime
    interval: float
    schedules: Mapping[str, float]


class Live(NamedTuple):
    """The number of a module's live cadences that have a status."""

    module: str | None
    status: str | None
    cadences: int


class Day(NamedTuple):
    """The changes of one kind on a day of the reader's zone."""

    day: date
    kind: str
    changes: int


async def load_attention(
    connection: AsyncConnection, query: AttentionQuery, scope: OrgScope, kind: str | None, page: int, size: int
) -> Attention:
    own = {name: seconds for name, seconds in query.schedules.items() if seconds != query.interval}
    values: dict[str, object] = {
        **scope.values,
        "now": query.now,
        "interval": query.interval,
        "names": list(own),
        "seconds": list(own.values()),
        "missed": MISSED,
        "drifts": DRIFT_DAYS,
    }
    counts = {row[0]: int(row[1]) for row in await connection.execute(_COUNTS, values)}
    if not counts:
        return Attention({}, [])
    of_page = values | {"kind": kind, "size": size, "skip": (page - 1) * size}
    return Attention(counts, (await connection.execute(_ITEMS, of_page)).all())


async def count_live(connection: AsyncConnection, scope: OrgScope) -> list[Live]:
    return [Live(*row) for row in await connection.execute(_LIVE, scope.values)]


async def count_changes(connection: AsyncConnection, scope: OrgScope, since: date, zone: str) -> list[Day]:
    values = scope.values | {"since": datetime.combine(since, time()), "zone": zone}
    return [Day(*row) for row in await connection.execute(_CHANGES, values)]
