"""Runs: all of them, newest first, and the story of one."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.queries.changes import Key, VersionEdit, edits

MOST: Final = 500
"""Held cadences and unreadable records of a run that its page shows."""
EDITS: Final = 100
"""Changed cadences of a run on one page."""

_COLUMNS: Final = """
    r.org_id, r.run_id, r.trigger, r.started_at, r.finished_at, r.outcome, r.error_code, r.error_message, r.error_hint,
    r.api_calls, r.pages, r.seen, r.baseline, r.created, r.updated, r.deleted, r.restored, r.unchanged, r.quarantined,
    r.held, r.hold_id
"""
_WANTED: Final = """
    (CAST(:org AS text) IS NULL OR r.org_id = :org)
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
# No index has the runs of all organizations in one order, but their numbers are given out in one: the newest have the
# highest, and each organization finds its own of those.
_NEWEST: Final = text("""
    SELECT max(run_id) FROM cadence_sync.orgs AS o
    CROSS JOIN LATERAL (SELECT max(run_id) AS run_id FROM cadence_sync.sync_runs AS r WHERE r.org_id = o.org_id) AS r
""")
_LATEST: Final = text(
    f"SELECT {_COLUMNS} FROM cadence_sync.orgs AS o CROSS JOIN LATERAL ("  # noqa: S608 - our own constants
    " SELECT * FROM cadence_sync.sync_runs AS r WHERE r.org_id = o.org_id AND r.run_id > :floor"
    f") AS r WHERE {_WANTED} ORDER BY r.run_id DESC LIMIT :size OFFSET :skip"
)
_REACHES: Final = (4, 400)
"""So many times as many numbers as runs are wanted are looked through, before all are: pruning leaves gaps."""
_RUN: Final = text(
    f"SELECT {_COLUMNS} FROM cadence_sync.sync_runs AS r WHERE r.run_id = :run_id"  # noqa: S608 - our own constants
    " AND (CAST(:org AS text) IS NULL OR r.org_id = :org)"
)
# There is no index by run: what it changed lies between the last good listing before it and its own end, if no clock
# was
# set back; only where that is not all of it, everything is looked through.
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
    SELECT h.cadence_id, c.name, c.module_api_name, h.missing_since, h.decision, h.decided_at,
           count(*) OVER () AS in_all, count(*) FILTER (WHERE h.decision IS NULL) OVER () AS undecided
    FROM cadence_sync.held_deletions AS h
    JOIN cadence_sync.cadences AS c ON c.org_id = h.org_id AND c.cadence_id = h.cadence_id
    WHERE h.org_id = :org AND h.hold_id = :hold_id
    ORDER BY c.name COLLATE "C", h.cadence_id COLLATE "C" LIMIT :size
""")
_DECISION: Final = text("""
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
    SELECT field, count(*) FROM cadence_sync.discovered_fields
    WHERE org_id = :org AND run_id = :run_id GROUP BY field ORDER BY field COLLATE "C"
""")


class RunRow(msgspec.Struct, frozen=True):
    """A row of the ledger."""

    org_id: str
    run_id: int
    trigger: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error_code: str | None
    error_message: str | None
    error_hint: str | None
    api_calls: int
    pages: int
    seen: int
    baseline: int
    created: int
    updated: int
    deleted: int
    restored: int
    unchanged: int
    quarantined: int
    held: int
    hold_id: int | None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()

    @property
    def versions(self) -> int:
        """How many changes of cadences it stored; what was there at the first look is none."""
        return self.created + self.updated + self.deleted + self.restored


class HeldCadence(msgspec.Struct, frozen=True):
    """A cadence that is missing, and was not deleted."""

    cadence_id: str
    name: str | None
    module: str | None
    missing_since: datetime
    decision: str | None
    decided_at: datetime | None
    in_all: int
    undecided: int


class DeletionReview(msgspec.Struct, frozen=True):
    """What somebody decided about what a run held."""

    decision: str
    decided_at: datetime
    decided_by: str
    cadences: int


class QuarantinedRow(msgspec.Struct, frozen=True):
    """A record that could not be stored faithfully."""

    position: int
    cadence_id: str | None
    name: str | None
    reason: str
    size: int


class DiscoveredCount(msgspec.Struct, frozen=True):
    """A field that became known of so many cadences."""

    field: str
    cadences: int


class RunDetail(msgspec.Struct, frozen=True):
    """Everything that a run did; of its edits, a page."""

    run: RunRow
    edits: list[VersionEdit]
    held: list[HeldCadence]
    decision: DeletionReview | None
    quarantined: list[QuarantinedRow]
    discovered: list[DiscoveredCount]


async def runs(
    connection: AsyncConnection, org: str | None, outcome: str | None, page: int, size: int
) -> tuple[list[RunRow], bool]:
    """Return a page of the ledger, and whether there is another."""
    values = {"org": org, "outcome": outcome, "size": size + 1, "skip": (page - 1) * size}
    newest = int(await connection.scalar(_NEWEST) or 0) if org is None else 0
    for reach in _REACHES if newest else ():
        floor = {"floor": max(0, newest - reach * (page * size + 1))}
        found = [RunRow(*row) for row in await connection.execute(_LATEST, values | floor)]
        if len(found) > size:
            return found[:size], True
    found = [RunRow(*row) for row in await connection.execute(_RUNS, values)]
    return found[:size], len(found) > size


async def find_run(connection: AsyncConnection, run_id: int, org: str | None) -> RunRow | None:
    """Return a row of the ledger."""
    row = (await connection.execute(_RUN, {"run_id": run_id, "org": org})).one_or_none()
    return None if row is None else RunRow(*row)


async def load_detail(connection: AsyncConnection, run: RunRow, page: int) -> RunDetail:
    """Tell all of a run, with a page of its edits."""
    key = {"org": run.org_id, "run_id": run.run_id}
    case = {"org": run.org_id, "hold_id": run.hold_id}
    size = {"size": MOST}
    decision = (await connection.execute(_DECISION, case)).one_or_none() if run.hold_id else None
    return RunDetail(
        run,
        await edits(connection, await _changed(connection, run, (page - 1) * EDITS)),
        [HeldCadence(*row) for row in await connection.execute(_HELD, case | size)] if run.hold_id else [],
        None if decision is None else DeletionReview(*decision),
        [QuarantinedRow(*row) for row in await connection.execute(_QUARANTINE, key | size)] if run.quarantined else [],
        [DiscoveredCount(*row) for row in await connection.execute(_DISCOVERED, key)],
    )


async def _changed(connection: AsyncConnection, run: RunRow, skip: int) -> list[Key]:
    if run.versions <= skip:
        return []
    values = {"org": run.org_id, "run_id": run.run_id, "size": EDITS, "skip": skip}
    rows = (await connection.execute(_NEAR, values)).all()
    if not rows or rows[0].versions != run.versions:  # a page of some of them would not go on where another ended
        rows = (await connection.execute(_ALL, values)).all()
    return [(row.org_id, row.cadence_id, row.version) for row in rows]
