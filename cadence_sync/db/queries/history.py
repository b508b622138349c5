"""Questions to the past: the state at a time, what differs, and every version in the order of its changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import translate_errors
from cadence_sync.db.queries.current import QueryRows
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import cadence_changes, cadence_versions, discovered_fields, orgs
from cadence_sync.errors import ArgumentError

_FUTURE: Final = "22008"
"""What `cadence_reporting.checked_time` raises."""
_BATCH: Final = 500
_AGES: Final = {"age_days", "days_since_change"}

_STATE: Final = text("""
    SELECT state.*, version.document #> '{execution_details,unenroll_properties}' AS unenroll_properties
    FROM cadence_reporting.cadences_as_of(:at, :org, :axis) AS state
    JOIN cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis)) AS version
      USING (org_id, cadence_id, version)
    ORDER BY state.org_id COLLATE "C", state.name COLLATE "C", state.cadence_id COLLATE "C"
""").columns(unenroll_properties=JSONB)
_DIFF: Final = text("""
    SELECT * FROM cadence_reporting.cadence_diff(:from_at, :to_at, :org, :axis)
    ORDER BY org_id COLLATE "C", name COLLATE "C", cadence_id COLLATE "C", field COLLATE "C"
""")
_COMPARISON: Final = text("""
    SELECT * FROM cadence_reporting.compare_orgs(:left_org, :right_org, :at, :axis)
    ORDER BY name COLLATE "C", left_cadence_id COLLATE "C", right_cadence_id COLLATE "C", field COLLATE "C"
""")
# What a return changed, and what became known with a change, is only to be seen beside what was known before.
_REPLAY: Final = text("""
    WITH discovered AS (
        SELECT org_id, cadence_id, version, observed_at, run_id, jsonb_object_agg(field, value) AS fields
        FROM cadence_sync.discovered_fields
        WHERE CAST(:org AS text) IS NULL OR org_id = :org
        GROUP BY org_id, cadence_id, version, observed_at, run_id
    ), acts AS (
        SELECT version.org_id, version.cadence_id, version.version, version.kind, version.valid_from,
               NULL::timestamptz AS seen_at, version.run_id, version.document, before.document AS before,
               NULL::jsonb AS discovered, said.fields, said.changed_by_id, said.changed_by_name
        FROM cadence_sync.cadence_versions AS version
        LEFT JOIN cadence_sync.cadence_versions AS before
          ON before.org_id = version.org_id AND before.cadence_id = version.cadence_id
         AND before.version = version.version - 1
        CROSS JOIN LATERAL (
            SELECT max(change.changed_by_id) AS changed_by_id, max(change.changed_by_name) AS changed_by_name,
                   jsonb_agg(jsonb_build_array(change.field, change.old_value, change.new_value)
                             ORDER BY change.field COLLATE "C") FILTER (WHERE change.field <> '*') AS fields
            FROM cadence_sync.cadence_changes AS change
            WHERE change.org_id = version.org_id AND change.cadence_id = version.cadence_id
              AND change.version = version.version
        ) AS said
        WHERE CAST(:org AS text) IS NULL OR version.org_id = :org
        UNION ALL
        -- Before the next version, whatever a clock that was set back says.
        SELECT version.org_id, version.cadence_id, version.version, 'discovered',
               least(discovered.observed_at, version.valid_to - interval '1 microsecond'), discovered.observed_at,
               discovered.run_id, version.document, version.document, discovered.fields, NULL, NULL, NULL
        FROM discovered
        JOIN cadence_sync.cadence_versions AS version USING (org_id, cadence_id, version)
    )
    SELECT acts.*, earlier.fields AS discovered_before
    FROM acts
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(field, value) AS fields
        FROM cadence_sync.discovered_fields AS earlier
        WHERE earlier.org_id = acts.org_id AND earlier.cadence_id = acts.cadence_id
          AND CASE acts.kind
              WHEN 'discovered' THEN earlier.version = acts.version AND earlier.observed_at < acts.seen_at
              ELSE earlier.version = acts.version - 1
          END
    ) AS earlier
    ORDER BY acts.valid_from, acts.seen_at NULLS FIRST, acts.run_id, acts.org_id COLLATE "C",
             acts.changed_by_id COLLATE "C", acts.changed_by_name COLLATE "C", acts.kind, acts.cadence_id COLLATE "C"
""").columns(document=JSONB, before=JSONB, discovered=JSONB, fields=JSONB, discovered_before=JSONB)


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection whose statements all see the same state, whatever a sync commits meanwhile."""
    with translate_errors():
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await check_migrated(connection)
            try:
                yield connection
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _FUTURE:
                    raise
                raise ArgumentError(
                    "The time lies in the future of the database's clock.",
                    hint="Set the clock of this machine, or that of the database's.",
                    code="BAD_TIME",
                ) from error


async def history_start(connection: AsyncConnection) -> dict[str, datetime | None]:
    """Return every stored organization and since when it is watched: of the time before nothing is known."""
    rows = await connection.execute(select(orgs.c.org_id, orgs.c.first_listed_at).order_by(orgs.c.org_id))
    return {row.org_id: row.first_listed_at for row in rows}


async def state(connection: AsyncConnection, at: datetime, org: str | None, axis: str) -> QueryRows:
    """One row a cadence that was live at that time; nothing in it depends on when it is asked for."""
    rows = await _answer(connection, _STATE, at=at, org=org, axis=axis)
    return [{name: value for name, value in row.items() if name not in _AGES} for row in rows]


async def diff(
    connection: AsyncConnection, from_at: datetime, to_at: datetime, org: str | None, axis: str
) -> QueryRows:
    """One row a field that differs between two times, `*` for a cadence that came or went."""
    return await _answer(connection, _DIFF, from_at=from_at, to_at=to_at, org=org, axis=axis)


async def compare(connection: AsyncConnection, left_org: str, right_org: str, at: datetime, axis: str) -> QueryRows:
    """One row a field that differs between cadences of one name, `*` for one that only one side has."""
    return await _answer(connection, _COMPARISON, left_org=left_org, right_org=right_org, at=at, axis=axis)


async def versions(connection: AsyncConnection, org_id: str, cadence_id: str) -> QueryRows:
    """One row a version of a cadence, oldest first, with its changes, what became known later, and Zoho's drafts."""
    columns = [c for c in cadence_versions.c if c.name not in {"prev_version", "next_version", "raw"}]
    raw = cadence_versions.c.raw
    drafts = [raw[key].label(key) for key in ("draft_cadence", "parent_cadence")]
    found = await connection.execute(
        select(*columns, *drafts)
        .where(cadence_versions.c.org_id == org_id, cadence_versions.c.cadence_id == cadence_id)
        .order_by(cadence_versions.c.version)
    )
    rows = [dict(row) for row in found.mappings()]
    for name, table, order in (
        ("changes", cadence_changes, cadence_changes.c.change_id),
        ("discovered", discovered_fields, discovered_fields.c.field),
    ):
        statement = select(table).where(table.c.org_id == org_id, table.c.cadence_id == cadence_id).order_by(order)
        parts = [dict(part) for part in (await connection.execute(statement)).mappings()]
        for row in rows:
            row[name] = [part for part in parts if part["version"] == row["version"]]
    return rows


async def replay(connection: AsyncConnection, org: str | None) -> AsyncIterator[dict[str, Any]]:
    """Yield every version by its begin, and what became known in between, of the kind `discovered`.

    Those of one run, time, person and kind stand together.
    """
    async with connection.stream(_REPLAY, {"org": org}) as rows:
        async for batch in rows.mappings().partitions(_BATCH):
            for row in batch:
                yield dict(row)


async def _answer(connection: AsyncConnection, statement: TextClause | Any, **values: object) -> QueryRows:
    return [dict(row) for row in (await connection.execute(statement, values)).mappings()]
