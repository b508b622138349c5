"""Runs: all of them, newest first, and the details of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.queries.changes import Key, VersionEdit, load_edits
from cadence_sync.db.scope import OrgScope, in_scope

MOST: Final = 500
"""Held cadences and quarantined records that are loaded of a run."""
EDITS: Final = 100
"""Changed cadences on one page of a run."""

_COLUMNS: Final = """
    r.org_id, r.run_id, r.trigger, r.started_at, r.finished_at, r.outcome, r.error_code, r.error_message, r.error_hint,
    r.api_calls, r.pages, r.seen, r.baseline, r.created, r.updated, r.deleted, r.restored, r.unchanged, r.quarantined,
    r.held, r.hold_id, r.created + r.updated + r.deleted + r.restored AS versions,
    extract(epoch FROM r.finished_at - r.started_at)::float8 AS seconds
"""
_WANTED: Final = f"""
    {in_scope("r.org_id")}
    AND CASE CAST(:outcome AS text)
        WHEN 'running' THEN r.outcome IS NULL
        WHEN 'changed' THEN r.baseline + r.created + r.updated + r.deleted + r.restored > 0
        ELSE :outcome IS NULL OR r.outcome = :outcome
    END
"""
_RUNS: Final = text(
    f"SELECT {_COLUMNS} FROM cadence_sync.sync_runs AS r WHERE {_WANTED}"  # noqa: S608 - our own constants
    " ORDER BY r.run_id DESC LIMIT :size OFFSET :skip"
)
# No index orders the runs of all organizations, but their numbers do: the newest runs have the highest, and each
# organization finds its own among those.
_NEWEST: Final = text(f"""
    SELECT max(run_id) FROM cadence_sync.orgs AS o
    CROSS JOIN LATERAL (SELECT max(run_id) AS run_id FROM cadence_sync.sync_runs AS r WHERE r.org_id = o.org_id) AS r
    WHERE {in_scope("o.org_id")}
""")  # noqa: S608 - our own constants
_LATEST: Final = text(
    f"SELECT {_COLUMNS} FROM cadence_sync.orgs AS o CROSS JOIN LATERAL ("  # noqa: S608 - our own constants
    " SELECT * FROM cadence_sync.sync_runs AS r WHERE r.org_id = o.org_id AND r.run_id > :floor"
    f") AS r WHERE {_WANTED} ORDER BY r.run_id DESC LIMIT :size OFFSET :skip"
)
_REACHES: Final = (4, 400)
"""Multiples of the wanted number of runs that are searched before all runs are: pruning leaves gaps."""
_RUN: Final = text(
    f"SELECT {_COLUMNS} FROM cadence_sync.sync_runs AS r WHERE r.run_id = :run_id"  # noqa: S608 - our own constants
    f" AND {in_scope('r.org_id')}"
)
# No index leads from a run to its changes: they lie between the last good listing before it and its own end, unless a
# clock was set back. Only where some are missing, all changes are searched.
_CHANGES: Final = """
    SELECT h.org_id, h.cadence_id, h.version, count(*) OVER () AS versions
    FROM cadence_sync.cadence_changes AS h
    JOIN cadence_sync.cadences AS c ON c.org_id = h.org_id AND c.cadence_id = h.cadence_id
    WHERE h.org_id = :org AND h.run_id = :run_id {where}
    GROUP BY c.name, h.org_id, h.cadence_id, h.version
    ORDER BY lower(c.name), h.cadence_id COLLATE "C" LIMIT :size OFFSET :skip
"""
_NEAR: Final = text(
    _CHANGES.format(
        where="""
    AND h.changed_at <= (SELECT finished_at FROM cadence_sync.sync_runs WHERE org_id = :org AND run_id = :run_id)
    AND h.changed_at >= coalesce((
        SELECT r.started_at FROM cadence_sync.sync_runs AS r
        WHERE r.org_id = :org AND r.run_id < :run_id AND r.outcome <> 'failed' ORDER BY r.run_id DESC LIMIT 1
    ), '-infinity')"""
    )
)
_ALL: Final = text(_CHANGES.format(where=""))
_HELD: Final = text("""
    SELECT h.cadence_id, c.name, c.module_api_name AS module, h.missing_since, h.decision, h.decided_at,
           count(*) OVER () AS in_all, count(*) FILTER (WHERE h.decision IS NULL) OVER () AS undecided
    FROM cadence_sync.held_deletions AS h
    JOIN cadence_sync.cadences AS c ON c.org_id = h.org_id AND c.cadence_id = h.cadence_id
    WHERE h.org_id = :org AND h.hold_id = :hold_id
    ORDER BY c.name COLLATE "C", h.cadence_id COLLATE "C" LIMIT :size
""")
_REVIEW: Final = text("""
    SELECT decision, decided_at, decided_by, cadences FROM cadence_sync.deletion_decisions
    WHERE org_id = :org AND hold_id = :hold_id ORDER BY decision_id DESC LIMIT 1
""")
_QUARANTINE: Final = text("""
    SELECT q.position, q.cadence_id, c.name, q.reason, octet_length(q.raw) AS size
    FROM cadence_sync.quarantined_records AS q
    LEFT JOIN cadence_sync.cadences AS c ON c.org_id = q.org_id AND c.cadence_id = q.cadence_id
    WHERE q.org_id = :org AND q.run_id = :run_id
    ORDER BY q.position LIMIT :size
""")
_DISCOVERED: Final = text("""
    SELECT field, count(*) AS cadences FROM cadence_sync.discovered_fields
    WHERE org_id = :org AND run_id = :run_id GROUP BY field ORDER BY field COLLATE "C"
""")


@dataclass(frozen=True, slots=True)
class RunDetail:
    """Everything that a run did; of its edits, one page."""

    edits: list[VersionEdit]
    held: Sequence[Row[Any]]
    review: Row[Any] | None
    quarantined: Sequence[Row[Any]]
    discovered: Sequence[Row[Any]]


async def list_runs(
    connection: AsyncConnection, scope: OrgScope, outcome: str | None, page: int, size: int
) -> tuple[Sequence[Row[Any]], bool]:
    """Loads a page of the runs, newest first, and whether another page follows."""
    values = scope.values | {"outcome": outcome, "size": size + 1, "skip": (page - 1) * size}
    newest = int(await connection.scalar(_NEWEST, scope.values) or 0) if scope.single is None else 0
    for reach in _REACHES if newest else ():
        floor = {"floor": max(0, newest - reach * (page * size + 1))}
        found = (await connection.execute(_LATEST, values | floor)).all()
        if len(found) > size:
            return found[:size], True
    found = (await connection.execute(_RUNS, values)).all()
    return found[:size], len(found) > size


async def find_run(connection: AsyncConnection, run_id: int, scope: OrgScope) -> Row[Any] | None:
    return (await connection.execute(_RUN, {"run_id": run_id} | scope.values)).one_or_none()


async def load_detail(connection: AsyncConnection, run: Row[Any], page: int) -> RunDetail:
    key = {"org": run.org_id, "run_id": run.run_id, "hold_id": run.hold_id, "size": MOST}

    async def load(statement: TextClause) -> Sequence[Row[Any]]:
        return (await connection.execute(statement, key)).all()

    return RunDetail(
        await load_edits(connection, await _changed(connection, run, (page - 1) * EDITS)),
        held=await load(_HELD) if run.hold_id else [],
        review=next(iter(await load(_REVIEW)), None) if run.hold_id else None,
        quarantined=await load(_QUARANTINE) if run.quarantined else [],
        discovered=await load(_DISCOVERED),
    )


async def _changed(connection: AsyncConnection, run: Row[Any], skip: int) -> list[Key]:
    if run.versions <= skip:
        return []
    values = {"org": run.org_id, "run_id": run.run_id, "size": EDITS, "skip": skip}
    rows = (await connection.execute(_NEAR, values)).all()
    if not rows or rows[0].versions != run.versions:  # pages of only some of them would not join up
        rows = (await connection.execute(_ALL, values)).all()
    return [(row.org_id, row.cadence_id, row.version) for row in rows]
