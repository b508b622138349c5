"""One plan as set-based writes: a statement a table, however many cadences changed."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Table, delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.diff import Kind, Plan, Refresh, Row, Version
from cadence_sync.core.document import to_document
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Config
from cadence_sync.db.columns import cadence_values, execution_values, modified_time, summary_values
from cadence_sync.db.sets import Rows, any_of, copy, rows_select, upsert
from cadence_sync.db.tables import (
    cadence_changes,
    cadence_versions,
    cadences,
    execution_details,
    follow_up_summaries,
    orgs,
    quarantined_records,
    schema_drift,
)
from cadence_sync.ports import Run

_SATELLITES: Final = (
    (follow_up_summaries, "summary", summary_values),
    (execution_details, "execution_details", execution_values),
)
"""Tables that hold one object of Zoho's record each: its key, and what makes the columns of it."""
_FIRST_ONLY: Final = frozenset({"first_seen_at"})
DRIFT_PERIOD: Final = timedelta(days=1)
"""Drift that is still there is written again only this often."""


async def write_plan(connection: AsyncConnection, run: Run, listing: Listing, plan: Plan) -> None:
    """Write everything that a plan holds; nothing at all for a plan that holds nothing."""
    await _write_versions(connection, run, listing, plan.versions)
    await _write_current(connection, run, listing, plan)
    await _respell(connection, run, listing, plan.respelled)
    await _note_drift(connection, run, listing, plan.drift)


async def _write_versions(connection: AsyncConnection, run: Run, listing: Listing, versions: list[Version]) -> None:
    await _close_predecessors(connection, run, [v for v in versions if v.number > 1])
    await copy(connection, cadence_versions, [_version_row(run, listing, version) for version in versions])
    await copy(connection, cadence_changes, list(_change_rows(run, listing, versions)))


async def _close_predecessors(connection: AsyncConnection, run: Run, successors: list[Version]) -> None:
    if not successors:
        return
    ends = rows_select(
        cadence_versions,
        [{"cadence_id": v.row.cadence_id, "version": v.number - 1, "valid_to": v.valid_from} for v in successors],
    ).subquery("ends")
    await connection.execute(
        update(cadence_versions)
        .where(
            cadence_versions.c.org_id == run.org_id,
            cadence_versions.c.cadence_id == ends.c.cadence_id,
            cadence_versions.c.version == ends.c.version,
        )
        .values(valid_to=ends.c.valid_to)
    )


def _version_row(run: Run, listing: Listing, version: Version) -> dict[str, Any]:
    return {
        "org_id": run.org_id,
        "cadence_id": version.row.cadence_id,
        "version": version.number,
        "kind": str(version.kind),
        "valid_from": version.valid_from,
        "observed_at": listing.started_at,
        "source_modified_time": modified_time(version.row.config),
        "document": _json(to_document(version.row.config)),
        "raw": None if version.raw is None else version.raw.decode(),
        "run_id": run.run_id,
    }


def _change_rows(run: Run, listing: Listing, versions: list[Version]) -> Iterable[dict[str, Any]]:
    for version in versions:
        for change in version.changes:
            yield {
                "org_id": run.org_id,
                "cadence_id": version.row.cadence_id,
                "version": version.number,
                "run_id": run.run_id,
                "kind": str(version.kind),
                "field": change.field,
                "old_value": None if change.old is None else _json(change.old),
                "new_value": None if change.new is None else _json(change.new),
                "changed_at": version.valid_from,
                "observed_at": listing.started_at,
                "changed_by_id": version.changed_by_id,
                "changed_by_name": version.changed_by_name,
            }


async def _write_current(connection: AsyncConnection, run: Run, listing: Listing, plan: Plan) -> None:
    """Rewrite the current rows of what has a new version or was refreshed; a deleted one is only marked."""
    await _mark_deleted(connection, run, [v for v in plan.versions if v.kind is Kind.DELETED])
    new = [v for v in plan.versions if v.number == 1]
    present = [v for v in plan.versions if v.number > 1 and v.kind is not Kind.DELETED]
    await copy(connection, cadences, [_current_row(run, listing, v) for v in new])
    await upsert(connection, cadences, [_current_row(run, listing, v) for v in present], keep=_FIRST_ONLY)
    await _refresh(connection, run, plan.refreshes)
    changed = [*(v.row for v in present), *(r.row for r in plan.refreshes)]
    for table, name, values_of in _SATELLITES:
        await copy(connection, table, _satellites(run, (v.row for v in new), values_of))
        others = [row for row in changed if name in row.objects]
        await upsert(connection, table, _satellites(run, others, values_of))
        await _drop_satellites(connection, run, table, [r.cadence_id for r in others if values_of(r.config) is None])


def _satellites(
    run: Run, rows: Iterable[Row], values_of: Callable[[Config], dict[str, object] | None]
) -> list[dict[str, Any]]:
    return [
        {"org_id": run.org_id, "cadence_id": row.cadence_id, **values}
        for row in rows
        if (values := values_of(row.config)) is not None
    ]


async def _drop_satellites(connection: AsyncConnection, run: Run, table: Table, cadence_ids: list[str]) -> None:
    if cadence_ids:
        await connection.execute(
            delete(table).where(table.c.org_id == run.org_id, table.c.cadence_id == any_of(cadence_ids))
        )


def _current_row(run: Run, listing: Listing, version: Version) -> dict[str, Any]:
    return {
        "org_id": run.org_id,
        "cadence_id": version.row.cadence_id,
        **cadence_values(version.row),
        "extra": _json(version.row.extra),
        "first_seen_at": listing.started_at,
        "last_changed_at": version.valid_from,
        "deleted_at": None,
        "version": version.number,
        "learnt": "{}",
        "digest": version.row.digest,
    }


async def _mark_deleted(connection: AsyncConnection, run: Run, versions: list[Version]) -> None:
    if not versions:
        return
    marks = rows_select(
        cadences,
        [{"cadence_id": v.row.cadence_id, "version": v.number, "deleted_at": v.valid_from} for v in versions],
    ).subquery("marks")
    await connection.execute(
        update(cadences)
        .where(cadences.c.org_id == run.org_id, cadences.c.cadence_id == marks.c.cadence_id)
        .values(
            version=marks.c.version,
            deleted_at=marks.c.deleted_at,
            last_changed_at=marks.c.deleted_at,
            learnt={},
        )
    )


async def _refresh(connection: AsyncConnection, run: Run, refreshes: list[Refresh]) -> None:
    if not refreshes:
        return
    rows: Rows = [
        {
            "cadence_id": refresh.row.cadence_id,
            **cadence_values(refresh.row),
            "extra": _json(refresh.row.extra),
            "learnt": _json(refresh.learnt),
            "digest": refresh.row.digest,
        }
        for refresh in refreshes
    ]
    new = rows_select(cadences, rows).subquery("new")
    values = {name: new.c[name] for name in rows[0] if name not in {"cadence_id", "learnt"}}
    await connection.execute(
        update(cadences)
        .where(cadences.c.org_id == run.org_id, cadences.c.cadence_id == new.c.cadence_id)
        .values(**values, learnt=cadences.c.learnt.op("||")(new.c.learnt))
    )


async def quarantine(connection: AsyncConnection, run: Run, listing: Listing) -> None:
    """Keep the records of a listing that cannot be stored faithfully."""
    rows = [
        {
            "org_id": run.org_id,
            "run_id": run.run_id,
            "position": position,
            "cadence_id": record.cadence_id,
            "reason": record.reason,
            "raw": record.raw,
        }
        for position, record in enumerate(listing.quarantined, 1)
    ]
    await copy(connection, quarantined_records, rows)


async def _respell(connection: AsyncConnection, run: Run, listing: Listing, rows: list[Row]) -> None:
    """Remember the bytes in which Zoho now says what is stored already, so that the next walk knows them."""
    if not rows or not run.may_respell:
        return
    new = rows_select(cadences, [{"cadence_id": row.cadence_id, "digest": row.digest} for row in rows]).subquery("new")
    await connection.execute(
        update(cadences)
        .where(cadences.c.org_id == run.org_id, cadences.c.cadence_id == new.c.cadence_id)
        .values(digest=new.c.digest)
    )
    await connection.execute(update(orgs).where(orgs.c.org_id == run.org_id).values(respelled_at=listing.started_at))


async def _note_drift(connection: AsyncConnection, run: Run, listing: Listing, samples: dict[str, str]) -> None:
    """Note unknown fields and words, each path with one sample, at most once in a period."""
    if not samples:
        return
    seen = listing.started_at
    rows = [
        {"org_id": run.org_id, "path": path, "sample": sample, "first_seen_at": seen, "last_seen_at": seen}
        for path, sample in sorted(samples.items())
    ]
    statement = insert(schema_drift).from_select(list(rows[0]), rows_select(schema_drift, rows))
    stale = schema_drift.c.last_seen_at < seen - DRIFT_PERIOD
    new = {name: statement.excluded[name] for name in ("sample", "last_seen_at")}
    await connection.execute(statement.on_conflict_do_update(index_elements=["org_id", "path"], set_=new, where=stale))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
