"""Deletes old runs that changed nothing, and keeps their totals by organization and day.

Whether a run may be deleted never depends on which others were deleted before: so pruning can be stopped, repeated, and
done by several processes at once. Each statement is a transaction of its own, about one organization.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db import audit
from cadence_sync.db.engine import autocommit
from cadence_sync.db.queue import LOG, STATISTICS, prune_log
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.runs import DAY
from cadence_sync.db.tables.history import orgs
from cadence_sync.ports import Actor

BATCH: Final = 2000
"""Runs that one statement may delete, in about 50 ms."""

# Few of an organization's runs are asked for by name, once a statement: comparing each with each would be quadratic.
_PRUNABLE: Final = """
    r.org_id = :org_id AND r.started_at < :until AND r.outcome IS NOT NULL
    AND (r.baseline, r.created, r.updated, r.deleted, r.restored) = (0, 0, 0, 0, 0)
    AND NOT EXISTS (
        SELECT FROM cadence_sync.discovered_fields AS l WHERE l.org_id = r.org_id AND l.run_id = r.run_id
    )
    -- The last run and the last good one tell the freshness. Where a clock was set, times and numbers disagree.
    AND r.run_id < (
        SELECT n.run_id FROM cadence_sync.sync_runs AS n
        WHERE n.org_id = :org_id AND n.outcome IS NOT NULL ORDER BY n.run_id DESC LIMIT 1
    )
    AND (r.outcome = 'failed' OR (
        (r.finished_at, r.run_id) < (
            SELECT n.finished_at, n.run_id FROM cadence_sync.sync_runs AS n
            WHERE n.org_id = :org_id AND n.outcome <> 'failed' ORDER BY n.run_id DESC LIMIT 1
        )
        AND (r.started_at, r.run_id) > (
            SELECT b.started_at, b.run_id FROM cadence_sync.sync_runs AS b
            WHERE b.org_id = :org_id AND b.outcome <> 'failed' ORDER BY b.started_at, b.run_id LIMIT 1
        )
        -- The good run before one that changed something is the earliest time of the change.
        AND (
            SELECT (n.baseline, n.created, n.updated, n.deleted, n.restored) = (0, 0, 0, 0, 0)
            FROM cadence_sync.sync_runs AS n
            WHERE n.org_id = r.org_id AND n.run_id > r.run_id AND n.outcome <> 'failed'
            ORDER BY n.run_id LIMIT 1
        )
    ))
    -- Reviews refer to runs, and the newest run with a hold is displayed.
    AND r.run_id NOT IN (SELECT h.hold_id FROM cadence_sync.held_deletions AS h WHERE h.org_id = :org_id)
    AND r.run_id NOT IN (SELECT d.hold_id FROM cadence_sync.deletion_decisions AS d WHERE d.org_id = :org_id)
    AND (r.hold_id IS NULL OR r.run_id < (
        SELECT max(n.run_id) FROM cadence_sync.sync_runs AS n WHERE n.org_id = :org_id AND n.hold_id IS NOT NULL
    ))
    -- The first and the last record of each problem stay.
    AND r.run_id NOT IN (
        SELECT unnest(ARRAY[min(q.run_id), max(q.run_id)])
        FROM cadence_sync.quarantined_records AS q
        WHERE q.org_id = :org_id
        GROUP BY q.cadence_id, q.reason
    )
"""

# It does not wait for the organization's lock: a writer goes first, and the next pruning is soon enough.
# A day's totals grow by what this statement itself deleted.
_PRUNE: Final = text(f"""
    WITH mine AS MATERIALIZED (
        SELECT org_id FROM cadence_sync.orgs WHERE org_id = :org_id FOR NO KEY UPDATE SKIP LOCKED
    ), doomed AS MATERIALIZED (
        SELECT r.run_id FROM cadence_sync.sync_runs AS r
        WHERE EXISTS (SELECT FROM mine) AND {_PRUNABLE}
        LIMIT :batch
    ), records AS (
        DELETE FROM cadence_sync.quarantined_records AS q USING doomed
        WHERE q.org_id = :org_id AND q.run_id = doomed.run_id
        RETURNING q.run_id
    ), gone AS (
        DELETE FROM cadence_sync.sync_runs AS r USING doomed
        WHERE r.org_id = :org_id AND r.run_id = doomed.run_id
        RETURNING r.org_id, r.started_at, r.outcome, r.api_calls
    ), folded AS (
        INSERT INTO cadence_sync.daily_runs AS d (org_id, day, runs, failed, api_calls, first_good_at, last_good_at)
        SELECT org_id, (started_at AT TIME ZONE 'UTC')::date AS day, count(*),
               count(*) FILTER (WHERE outcome = 'failed'), sum(api_calls),
               min(started_at) FILTER (WHERE outcome <> 'failed'), max(started_at) FILTER (WHERE outcome <> 'failed')
        FROM gone GROUP BY org_id, day
        ON CONFLICT (org_id, day) DO UPDATE SET
            runs = d.runs + excluded.runs,
            failed = d.failed + excluded.failed,
            api_calls = d.api_calls + excluded.api_calls,
            first_good_at = least(d.first_good_at, excluded.first_good_at),
            last_good_at = greatest(d.last_good_at, excluded.last_good_at)
    )
    SELECT EXISTS (SELECT FROM mine), (SELECT count(*) FROM gone), (SELECT count(*) FROM records)
""")  # noqa: S608 - built from our own words

_COUNT: Final = text(f"""
    SELECT true, count(*), coalesce(sum((
        SELECT count(*) FROM cadence_sync.quarantined_records AS q WHERE q.org_id = r.org_id AND q.run_id = r.run_id
    )), 0)
    FROM cadence_sync.sync_runs AS r WHERE {_PRUNABLE}
""")  # noqa: S608 - built from our own words

# An episode that lasts stays, so that its end is announced and its beginning is not announced again.
_OLD_ALERTS: Final = """
    FROM cadence_sync.alert_outbox
    WHERE org_id = :org_id AND sent_at < :until AND (event NOT IN ('failing', 'stale') OR resolved_at IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Numbers of deleted rows, and of organizations that were `busy` with a writer and were left out."""

    runs: int = 0
    quarantined_records: int = 0
    queue_log: int = 0
    queue_statistics: int = 0
    alerts: int = 0
    busy: int = 0


async def prune(
    engine: AsyncEngine, now: datetime, keep: timedelta, *, by: Actor | None = None, dry_run: bool = False
) -> Pruned:
    """Deletes what is older than `keep`, at least a day, and no longer needed; a dry run counts it.

    What a person deleted enters the audit log; a daemon, for which `by` is None, prunes every hour.

    The runs of the last day count for the quota of API calls and for the delete threshold.
    """
    until = now - max(keep, DAY)
    runs = records = busy = alerts = 0
    old_alerts = text(f"{'SELECT count(*)' if dry_run else 'DELETE'} {_OLD_ALERTS}")
    async with autocommit(engine) as connection:
        await check_migrated(connection)
        for org_id in (await connection.scalars(select(orgs.c.org_id).order_by(orgs.c.org_id))).all():
            about = {"org_id": org_id, "until": until}
            free, some, theirs = await _prune_runs(connection, about, dry_run=dry_run)
            runs, records, busy = runs + some, records + theirs, busy + (not free)
            result = await connection.execute(old_alerts, about)
            alerts += int(result.scalar_one()) if dry_run else result.rowcount
        log, statistics = [await prune_log(connection, table, until, dry_run=dry_run) for table in (LOG, STATISTICS)]
        pruned = Pruned(runs, records, log, statistics, alerts, busy)
        if by is not None and not dry_run and pruned != Pruned(busy=busy):
            details = asdict(pruned) | {"until": until.isoformat()}
            await audit.enter(connection, by, "prune", "pruned", details=details)
    return pruned


async def _prune_runs(connection: AsyncConnection, about: dict[str, Any], *, dry_run: bool) -> tuple[bool, int, int]:
    """Returns whether the organization's lock was free, and the numbers of runs and quarantined records."""
    if dry_run:
        free, runs, records = (await connection.execute(_COUNT, about)).one()
        return free, runs, int(records)
    runs = records = 0
    while True:
        free, some, theirs = (await connection.execute(_PRUNE, about | {"batch": BATCH})).one()
        runs, records = runs + some, records + theirs
        if some < BATCH:
            return free, runs, records
