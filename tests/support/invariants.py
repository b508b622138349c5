"""What must hold of every history, asked of the tables in SQL alone: none of the product's code takes part."""

from typing import Any, Final

import asyncpg

RULES: Final = {
    "versions are numbered 1..n, each ends where the next begins, and only the last is open": """
        SELECT org_id, cadence_id, version FROM (
            SELECT *, row_number() OVER chain AS number, lead(valid_from) OVER chain AS next_from
            FROM cadence_sync.cadence_versions
            WINDOW chain AS (PARTITION BY org_id, cadence_id ORDER BY version)
        ) AS v
        WHERE version <> number OR valid_to IS DISTINCT FROM next_from""",
    "every cadence points at its open version, and is deleted where that says so": """
        SELECT org_id, cadence_id, c.version, v.version AS open_version
        FROM cadence_sync.cadences AS c
        FULL JOIN (SELECT * FROM cadence_sync.cadence_versions WHERE valid_to IS NULL) AS v
            USING (org_id, cadence_id)
        WHERE c.version IS DISTINCT FROM v.version OR (c.deleted_at IS NOT NULL) <> (v.kind = 'deleted')""",
    "the counters of a run equal the versions that it wrote": """
        SELECT r.run_id, r.outcome, r.baseline, r.created, r.updated, r.deleted, r.restored
        FROM cadence_sync.sync_runs AS r
        LEFT JOIN cadence_sync.cadence_versions AS v USING (org_id, run_id)
        GROUP BY r.org_id, r.run_id
        HAVING (r.baseline, r.created, r.updated, r.deleted, r.restored) IS DISTINCT FROM (
            count(*) FILTER (WHERE v.kind = 'baseline'), count(*) FILTER (WHERE v.kind = 'created'),
            count(*) FILTER (WHERE v.kind = 'updated'), count(*) FILTER (WHERE v.kind = 'deleted'),
            count(*) FILTER (WHERE v.kind = 'restored'))""",
    "every version was written by a run that ended well": """
        SELECT v.org_id, v.cadence_id, v.version, v.run_id, r.outcome
        FROM cadence_sync.cadence_versions AS v
        LEFT JOIN cadence_sync.sync_runs AS r USING (org_id, run_id)
        WHERE r.outcome IS NULL OR r.outcome = 'failed'""",
    "every update says what changed, in the run that wrote it": """
        SELECT v.org_id, v.cadence_id, v.version
        FROM cadence_sync.cadence_versions AS v
        LEFT JOIN cadence_sync.cadence_changes AS c USING (org_id, cadence_id, version)
        WHERE (v.kind = 'updated' AND c.change_id IS NULL) OR c.run_id <> v.run_id""",
}


async def broken(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rules that do not hold, each with the rows that break it."""
    found = {rule: await rows(url, query) for rule, query in RULES.items()}
    return {rule: culprits for rule, culprits in found.items() if culprits}


async def rows(url: str, query: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def runs(url: str) -> list[tuple[str | None, str | None]]:
    """Return the outcome and the error code of every run, oldest first."""
    found = await rows(url, "SELECT outcome, error_code FROM cadence_sync.sync_runs ORDER BY run_id")
    return [(row["outcome"], row["error_code"]) for row in found]


async def version_count(url: str) -> int:
    (row,) = await rows(url, "SELECT count(*) AS versions FROM cadence_sync.cadence_versions")
    count: int = row["versions"]
    return count


async def names(url: str) -> dict[str, str]:
    """Return the name of every live cadence."""
    found = await rows(url, "SELECT cadence_id, name FROM cadence_sync.cadences WHERE deleted_at IS NULL")
    return {row["cadence_id"]: row["name"] for row in found}
