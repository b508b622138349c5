"""One cadence: what it is, what gave each field its value, its versions, and any two of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.blame import Blamed, DiscoveredField, ObservedVersion, blame
from cadence_sync.core.canonical import from_document
from cadence_sync.core.diff import Kind
from cadence_sync.core.records import Config
from cadence_sync.db.queries.cadences import CHANGED
from cadence_sync.db.queries.changes import VersionEdit, edits
from cadence_sync.db.tables import cadences, discovered_fields, held_deletions

_C: Final = cadences.c
_H: Final = held_deletions.c


@dataclass(frozen=True, slots=True)
class CadenceDetail:
    """A cadence as it is stored now; of a deleted one, as it was last seen."""

    org_id: str
    cadence_id: str
    name: str | None
    version: int
    extra: Mapping[str, Any]
    first_seen_at: datetime
    last_changed_at: datetime
    deleted_at: datetime | None
    missing_since: datetime | None
    """Since when it is no longer in Zoho's list, though it is not deleted yet."""
    is_approved: bool
    """Whether somebody has let it be deleted."""
    labels: Mapping[str, str | None]
    """Paths of ids → the names of today."""


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version with everything that is known of it."""

    version: int
    kind: str
    valid_from: datetime
    valid_to: datetime | None
    observed_at: datetime
    config: Config
    labels: Mapping[str, str | None]
    """Paths of ids → the names of that time."""


@dataclass(frozen=True, slots=True)
class DiscoveredValue:
    """A field that was not sent before: it did not change."""

    version: int
    field: str
    value: Any
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of versions, newest first, and what became known of them later."""

    edits: tuple[VersionEdit, ...]
    discovered: tuple[DiscoveredValue, ...]


# Whoever named a version is in each of its rows of changes.
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

_STATES: Final = (
    text("""
    SELECT version, kind, valid_from, valid_to, observed_at, document,
           module_api_name, custom_view_name, created_by_name, modified_by_name
    FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis))
    WHERE org_id = :org AND cadence_id = :cadence AND version = ANY(:versions)
    """)
    .bindparams(bindparam("versions"))
    .columns(document=JSONB)
)
_AT: Final = text("""
    SELECT version FROM cadence_sync.cadence_versions
    WHERE org_id = :org AND cadence_id = :cadence
      AND CASE :axis WHEN 'observed' THEN observed_at ELSE valid_from END <= :at
    ORDER BY version DESC LIMIT 1
""")


async def current(connection: AsyncConnection, org_id: str, cadence_id: str) -> CadenceDetail | None:
    """Return what is stored of a cadence, or None where it never was."""
    row = (
        await connection.execute(
            select(cadences, CHANGED.label("changed"), _H.missing_since, _H.decision)
            .outerjoin(held_deletions, and_(_H.org_id == _C.org_id, _H.cadence_id == _C.cadence_id))
            .where(_C.org_id == org_id, _C.cadence_id == cadence_id)
        )
    ).one_or_none()
    if row is None:
        return None
    return CadenceDetail(
        row.org_id,
        row.cadence_id,
        row.name,
        row.version,
        row.extra,
        row.first_seen_at,
        row.changed,
        row.deleted_at,
        row.missing_since,
        row.decision == "approved",
        _labels(row),
    )


async def settings(connection: AsyncConnection, org_id: str, cadence_id: str) -> list[Blamed]:
    """Return every known field, its value, and which version gave it that."""
    rows = await connection.execute(_SEEN, {"org": org_id, "cadence": cadence_id})
    return blame([_seen(row) for row in rows])


async def time_line(connection: AsyncConnection, org_id: str, cadence_id: str, newest: int, limit: int) -> Timeline:
    """Return so many versions from `newest` downwards."""
    oldest = max(newest - limit, 0) + 1
    found = await edits(connection, [(org_id, cadence_id, version) for version in range(newest, oldest - 1, -1)])
    rows = await connection.execute(
        select(
            discovered_fields.c.version,
            discovered_fields.c.field,
            discovered_fields.c.value,
            discovered_fields.c.observed_at,
        )
        .where(
            discovered_fields.c.org_id == org_id,
            discovered_fields.c.cadence_id == cadence_id,
            discovered_fields.c.version.between(oldest, newest),
        )
        .order_by(discovered_fields.c.version.desc(), discovered_fields.c.observed_at, discovered_fields.c.field)
    )
    return Timeline(tuple(found), tuple(DiscoveredValue(*row) for row in rows))


async def states(connection: AsyncConnection, org_id: str, cadence_id: str, *versions: int) -> dict[int, VersionState]:
    """Return some versions with all that ever became known of them."""
    return await _states(connection, org_id, cadence_id, list(versions), None, "valid")


async def at_time(
    connection: AsyncConnection, org_id: str, cadence_id: str, at: datetime, axis: str
) -> VersionState | None:
    """Return the version of a time, a deleted one too; on the axis `observed`, as it had been seen by then."""
    key = {"org": org_id, "cadence": cadence_id, "at": at, "axis": axis}
    version = (await connection.execute(_AT, key)).scalar_one_or_none()
    if version is None:
        return None
    return (await _states(connection, org_id, cadence_id, [version], at, axis))[version]


async def _states(
    connection: AsyncConnection, org_id: str, cadence_id: str, versions: list[int], at: datetime | None, axis: str
) -> dict[int, VersionState]:
    values = {"org": org_id, "cadence": cadence_id, "versions": versions, "at": at, "axis": axis}
    return {row.version: _state(row) for row in await connection.execute(_STATES, values)}


def _state(row: Row[Any]) -> VersionState:
    times = (row.valid_from, row.valid_to, row.observed_at)
    return VersionState(row.version, row.kind, *times, from_document(row.document), _labels(row))


def _labels(row: Row[Any]) -> dict[str, str | None]:
    return {
        "module.id": row.module_api_name,
        "custom_view.id": row.custom_view_name,
        "created_by.id": row.created_by_name,
        "modified_by.id": row.modified_by_name,
    }


def _seen(row: Row[Any]) -> ObservedVersion:
    discovered = {
        field: DiscoveredField(value, datetime.fromisoformat(observed_at), run_id)
        for field, value, observed_at, run_id in row.discovered or ()
    }
    return ObservedVersion(
        row.version,
        Kind(row.kind),
        row.valid_from,
        row.observed_at,
        row.run_id,
        from_document(row.document),
        frozenset(row.changed or ()),
        row.by_id,
        row.by_name,
        discovered,
    )
