"""Cadence history: versions, discovered fields, and the state of a cadence at a point in time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.blame import DiscoveredField, ObservedVersion
from cadence_sync.core.canonical import from_document
from cadence_sync.core.diff import Kind
from cadence_sync.core.labels import Axis
from cadence_sync.core.records import Config
from cadence_sync.db.engine import open_connection, sqlstate_of
from cadence_sync.db.queries.as_of import pick_versions, read_labels
from cadence_sync.db.queries.changes import VersionEdit, load_edits
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.scope import OrgScope, in_scope
from cadence_sync.db.tables.history import cadence_changes, cadence_versions, discovered_fields, orgs
from cadence_sync.errors import ArgumentError

QueryRows = list[dict[str, Any]]
# The server ends a transaction whose reader stands still: an old snapshot keeps dead rows from being removed.
_LIMITS: Final = text("""
    SELECT set_config('idle_in_transaction_session_timeout', :idle, true),
           set_config('statement_timeout', coalesce(:limit, current_setting('statement_timeout')), true)
""")
_IDLE: Final = "300000"
"""Milliseconds."""
_D: Final = discovered_fields.c

# Each change row of a version names the same author.
_SEEN: Final = text("""
    SELECT v.version, v.kind, v.valid_from, v.observed_at, v.run_id, v.document, h.changed, h.by_id, h.by_name,
           l.discovered
    FROM cadence_sync.cadence_versions AS v
    LEFT JOIN (
        SELECT version, array_agg(field) AS changed, max(changed_by_id) AS by_id, max(changed_by_name) AS by_name
        FROM cadence_sync.cadence_changes
        WHERE org_id = :org AND cadence_id = :cadence
        GROUP BY version
    ) AS h USING (version)
    LEFT JOIN (
        SELECT version, jsonb_agg(jsonb_build_array(field, value, observed_at, run_id)) AS discovered
        FROM cadence_sync.discovered_fields
        WHERE org_id = :org AND cadence_id = :cadence
        GROUP BY version
    ) AS l USING (version)
    WHERE v.org_id = :org AND v.cadence_id = :cadence
    ORDER BY v.version
""").columns(document=JSONB, discovered=JSONB)

_STATES: Final = text("""
    SELECT version, kind, valid_from, valid_to, observed_at, document,
           module_api_name, custom_view_name, created_by_name, modified_by_name
    FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis))
    WHERE org_id = :org AND cadence_id = :cadence AND version = ANY(:versions)
""").columns(document=JSONB)
_AT: Final = {axis: text(pick_versions(axis, ":at", "c.org_id = :org AND c.cadence_id = :cadence")) for axis in Axis}
# What a restored version changed, and what was discovered with a change, shows only against what was known before.
_REPLAY: Final = text(f"""
    WITH discovered AS (
        SELECT org_id, cadence_id, version, observed_at, run_id, jsonb_object_agg(field, value) AS fields
        FROM cadence_sync.discovered_fields
        WHERE {in_scope("org_id")}
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
        WHERE {in_scope("version.org_id")}
        UNION ALL
        -- Before the next version, even where a clock was set back.
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
""").columns(document=JSONB, before=JSONB, discovered=JSONB, fields=JSONB, discovered_before=JSONB)  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class VersionState:
    version: int
    kind: str
    valid_from: datetime
    valid_to: datetime | None
    observed_at: datetime
    config: Config
    labels: Mapping[str, str | None]
    """Names as of that time, keyed by the paths of their ids."""


@dataclass(frozen=True, slots=True)
class Timeline:
    edits: list[VersionEdit]
    discovered: Sequence[Row[*tuple[Any, ...]]]


@asynccontextmanager
async def snapshot(engine: AsyncEngine, timeout_ms: int | None = None) -> AsyncIterator[AsyncConnection]:
    """Yields a read-only connection whose statements all see one snapshot, even if a sync commits.

    The timeout is for one statement, and for the time between two of them, which is 5 minutes at most.
    """
    async with open_connection(engine, "REPEATABLE READ") as connection:
        await connection.execution_options(postgresql_readonly=True)
        limit = None if timeout_ms is None else str(timeout_ms)
        await connection.execute(_LIMITS, {"limit": limit, "idle": limit or _IDLE})
        await check_migrated(connection)
        try:
            yield connection
        except DBAPIError as error:
            if sqlstate_of(error) != "22008":  # from `cadence_reporting.checked_time`
                raise
            raise ArgumentError(
                "The time lies in the future of the database's clock.",
                hint="Set the clock of this machine, or that of the database's.",
                code="BAD_TIME",
            ) from error


async def load_history_start(connection: AsyncConnection, scope: OrgScope) -> dict[str, datetime | None]:
    """Returns each stored organization and when its history starts; nothing earlier is known."""
    statement = select(orgs.c.org_id, orgs.c.first_listed_at).where(*scope.conditions(orgs.c.org_id))
    rows = await connection.execute(statement.order_by(orgs.c.org_id))
    return {row.org_id: row.first_listed_at for row in rows}


def find_unwatched(starts: Mapping[str, datetime | None], org: str | None, at: datetime) -> dict[str, datetime | None]:
    asked_for = {name: start for name, start in starts.items() if org in (None, name)}
    return {name: start for name, start in asked_for.items() if start is None or at < start}


async def load_versions(connection: AsyncConnection, org_id: str, cadence_id: str) -> QueryRows:
    columns = [c for c in cadence_versions.c if c.name not in {"prev_version", "next_version", "raw"}]
    raw = cadence_versions.c.raw
    drafts = [raw[key].label(key) for key in ("draft_cadence", "parent_cadence")]
    found = await connection.execute(
        select(*columns, *drafts)
        .where(cadence_versions.c.org_id == org_id, cadence_versions.c.cadence_id == cadence_id)
        .order_by(cadence_versions.c.version)
    )
    rows = {row["version"]: {**row, "changes": [], "discovered": []} for row in found.mappings()}
    for name, table, order in (
        ("changes", cadence_changes, cadence_changes.c.change_id),
        ("discovered", discovered_fields, discovered_fields.c.field),
    ):
        statement = select(table).where(table.c.org_id == org_id, table.c.cadence_id == cadence_id).order_by(order)
        for part in (await connection.execute(statement)).mappings():
            rows[part["version"]][name].append(dict(part))
    return list(rows.values())


async def load_observed_versions(connection: AsyncConnection, org_id: str, cadence_id: str) -> list[ObservedVersion]:
    rows = await connection.execute(_SEEN, {"org": org_id, "cadence": cadence_id})
    return [_observed(row) for row in rows]


async def load_timeline(connection: AsyncConnection, org_id: str, cadence_id: str, newest: int, limit: int) -> Timeline:
    oldest = max(newest - limit, 0) + 1
    keys = [(org_id, cadence_id, version) for version in range(newest, oldest - 1, -1)]
    discovered = await connection.execute(
        select(_D.version, _D.field, _D.value, _D.observed_at)
        .where(_D.org_id == org_id, _D.cadence_id == cadence_id, _D.version.between(oldest, newest))
        .order_by(_D.version.desc(), _D.observed_at, _D.field)
    )
    return Timeline(await load_edits(connection, keys), discovered.all())


async def load_states(
    connection: AsyncConnection,
    org_id: str,
    cadence_id: str,
    versions: Sequence[int],
    *,
    at: datetime | None = None,
    axis: Axis = Axis.VALID,
) -> dict[int, VersionState]:
    """Loads versions with everything known about them; on the observed axis, only what was known by then."""
    values = {"org": org_id, "cadence": cadence_id, "versions": versions, "at": at, "axis": axis}
    return {row.version: _state(row) for row in await connection.execute(_STATES, values)}


async def load_state_at(
    connection: AsyncConnection, org_id: str, cadence_id: str, at: datetime, axis: Axis
) -> VersionState | None:
    """Returns the version as of a time, even if it is a deletion."""
    row = (await connection.execute(_AT[axis], {"org": org_id, "cadence": cadence_id, "at": at})).one_or_none()
    if row is None:
        return None
    return (await load_states(connection, org_id, cadence_id, [row.version], at=at, axis=axis))[row.version]


async def replay(connection: AsyncConnection, scope: OrgScope) -> AsyncIterator[dict[str, Any]]:
    """Yields every version in order of its start, and discovered fields in between as kind `discovered`.

    Those of one run, time, person and kind are adjacent.
    """
    async with connection.stream(_REPLAY, scope.values) as rows:
        async for batch in rows.mappings().partitions(500):
            for row in batch:
                yield dict(row)


def _state(row: Row[Any]) -> VersionState:
    times = (row.valid_from, row.valid_to, row.observed_at)
    return VersionState(row.version, row.kind, *times, from_document(row.document), read_labels(row))


def _observed(row: Row[Any]) -> ObservedVersion:
    discovered = {
        field: DiscoveredField(value, datetime.fromisoformat(observed_at).astimezone(UTC), run_id)
        for field, value, observed_at, run_id in row.discovered or ()
    }
    seen = (row.version, Kind(row.kind), row.valid_from, row.observed_at, row.run_id, from_document(row.document))
    return ObservedVersion(*seen, frozenset(row.changed or ()), row.by_id, row.by_name, discovered)
