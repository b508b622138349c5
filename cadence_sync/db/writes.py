"""One plan as set-based writes: a statement a table, however many cadences changed. Pure; `sets.send` sends them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Table, delete, update
from sqlalchemy.dialects.postgresql import insert

from cadence_sync.core.canonical import to_document
from cadence_sync.core.diff import CurrentRow, Kind, Plan, Refresh, Version
from cadence_sync.core.listing import Listing
from cadence_sync.core.pii import RedactionTarget
from cadence_sync.core.records import Config
from cadence_sync.core.redact import redact
from cadence_sync.db.bulk import Rows, Write, any_of, copy_rows, upsert_rows, values_as_select
from cadence_sync.db.columns import cadence_values, execution_values, modified_time, summary_values
from cadence_sync.db.tables import (
    cadence_changes,
    cadence_versions,
    cadences,
    discovered_fields,
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


def plan_writes(run: Run, listing: Listing, plan: Plan) -> Iterator[Write]:
    """Yield the writes of everything that a plan holds; none at all for a plan that holds nothing."""
    yield from _write_versions(run, listing, plan.versions)
    yield from _write_current(run, listing, plan)
    yield from _refresh_digests(run, listing, plan.reencoded)
    yield from _note_drift(run, listing, plan.drift)


def _write_versions(run: Run, listing: Listing, versions: list[Version]) -> Iterator[Write]:
    yield from _close_predecessors(run, [v for v in versions if v.number > 1])
    yield from copy_rows(cadence_versions, [_version_row(run, listing, version) for version in versions])
    yield from copy_rows(cadence_changes, list(_change_rows(run, listing, versions)))


def _close_predecessors(run: Run, successors: list[Version]) -> Iterator[Write]:
    if not successors:
        return
    ends = values_as_select(
        cadence_versions,
        [{"cadence_id": v.row.cadence_id, "version": v.number - 1, "valid_to": v.valid_from} for v in successors],
    ).subquery("ends")
    yield (
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


def _write_current(run: Run, listing: Listing, plan: Plan) -> Iterator[Write]:
    """Rewrite the current rows of what has a new version or was refreshed; a deleted one is only marked."""
    yield from _mark_deleted(run, [v for v in plan.versions if v.kind is Kind.DELETED])
    new = [v for v in plan.versions if v.number == 1]
    present = [v for v in plan.versions if v.number > 1 and v.kind is not Kind.DELETED]
    yield from copy_rows(cadences, [_current_row(run, listing, v) for v in new])
    yield from upsert_rows(cadences, [_current_row(run, listing, v) for v in present], keep=_FIRST_ONLY)
    yield from _refresh(run, listing, plan.refreshes)
    changed = [*(v.row for v in present), *(r.row for r in plan.refreshes)]
    for table, name, values_of in _SATELLITES:
        yield from copy_rows(table, _satellites(run, (v.row for v in new), values_of))
        others = [row for row in changed if name in row.objects]
        yield from upsert_rows(table, _satellites(run, others, values_of))
        yield from _drop_satellites(run, table, [r.cadence_id for r in others if values_of(r.config) is None])


def _satellites(
    run: Run, rows: Iterable[CurrentRow], values_of: Callable[[Config], dict[str, object] | None]
) -> list[dict[str, Any]]:
    return [
        {"org_id": run.org_id, "cadence_id": row.cadence_id, **values}
        for row in rows
        if (values := values_of(row.config)) is not None
    ]


def _drop_satellites(run: Run, table: Table, cadence_ids: list[str]) -> Iterator[Write]:
    if cadence_ids:
        yield delete(table).where(table.c.org_id == run.org_id, table.c.cadence_id == any_of(cadence_ids))


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
        "digest": version.row.digest,
    }


def _mark_deleted(run: Run, versions: list[Version]) -> Iterator[Write]:
    if not versions:
        return
    marks = values_as_select(
        cadences,
        [{"cadence_id": v.row.cadence_id, "version": v.number, "deleted_at": v.valid_from} for v in versions],
    ).subquery("marks")
    yield (
        update(cadences)
        .where(cadences.c.org_id == run.org_id, cadences.c.cadence_id == marks.c.cadence_id)
        .values(
            version=marks.c.version,
            deleted_at=marks.c.deleted_at,
            last_changed_at=marks.c.deleted_at,
        )
    )


def _refresh(run: Run, listing: Listing, refreshes: list[Refresh]) -> Iterator[Write]:
    if not refreshes:
        return
    rows: Rows = [
        {
            "cadence_id": refresh.row.cadence_id,
            **cadence_values(refresh.row),
            "extra": _json(refresh.row.extra),
            "digest": refresh.row.digest,
        }
        for refresh in refreshes
    ]
    new = values_as_select(cadences, rows).subquery("new")
    values = {name: new.c[name] for name in rows[0] if name != "cadence_id"}
    yield (
        update(cadences)
        .where(cadences.c.org_id == run.org_id, cadences.c.cadence_id == new.c.cadence_id)
        .values(values)
    )
    yield from copy_rows(discovered_fields, list(_discovered_rows(run, listing, refreshes)))


def _discovered_rows(run: Run, listing: Listing, refreshes: list[Refresh]) -> Iterable[dict[str, Any]]:
    for refresh in refreshes:
        for path, leaf in refresh.discovered.items():
            yield {
                "org_id": run.org_id,
                "cadence_id": refresh.row.cadence_id,
                "version": refresh.version,
                "field": path,
                "value": _json(leaf),
                "observed_at": listing.started_at,
                "run_id": run.run_id,
            }


def quarantine(run: Run, listing: Listing) -> Iterator[Write]:
    """Keep the records of a listing that cannot be stored faithfully."""
    redacted = RedactionTarget(run.redacted)
    rows = [
        {
            "org_id": run.org_id,
            "run_id": run.run_id,
            "position": position,
            "cadence_id": record.cadence_id,
            "reason": record.reason,
            "raw": redact(record.raw, redacted).raw if run.redacted else record.raw,
        }
        for position, record in enumerate(listing.quarantined, 1)
    ]
    return copy_rows(quarantined_records, rows)


def _refresh_digests(run: Run, listing: Listing, rows: list[CurrentRow]) -> Iterator[Write]:
    """Remember the bytes in which Zoho now says what is stored already, so that the next listing knows them."""
    if not rows or not run.may_refresh_digests:
        return
    new = values_as_select(cadences, [{"cadence_id": row.cadence_id, "digest": row.digest} for row in rows]).subquery(
        "new"
    )
    yield (
        update(cadences)
        .where(cadences.c.org_id == run.org_id, cadences.c.cadence_id == new.c.cadence_id)
        .values(digest=new.c.digest)
    )
    yield update(orgs).where(orgs.c.org_id == run.org_id).values(digests_refreshed_at=listing.started_at)


def _note_drift(run: Run, listing: Listing, samples: dict[str, str]) -> Iterator[Write]:
    """Note unknown fields and words, each path with one sample, at most once in a period."""
    if not samples:
        return
    seen = listing.started_at
    rows = [
        {"org_id": run.org_id, "path": path, "sample": sample, "first_seen_at": seen, "last_seen_at": seen}
        for path, sample in sorted(samples.items())
    ]
    statement = insert(schema_drift).from_select(list(rows[0]), values_as_select(schema_drift, rows))
    stale = schema_drift.c.last_seen_at < seen - DRIFT_PERIOD
    new = {name: statement.excluded[name] for name in ("sample", "last_seen_at")}
    yield statement.on_conflict_do_update(index_elements=["org_id", "path"], set_=new, where=stale)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
