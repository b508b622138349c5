"""A plan as set-based writes: at most a few statements for each table, however many cadences changed. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from cadence_sync.core.canonical import to_document
from cadence_sync.core.diff import CurrentRow, Kind, Plan, Refresh, Version
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import Config
from cadence_sync.core.redact import RedactionTarget, redact
from cadence_sync.db.bulk import Write, any_of, copy_rows, update_rows, upsert_rows, values_as_select
from cadence_sync.db.columns import cadence_values, execution_values, modified_time, summary_values
from cadence_sync.db.runs import DAY
from cadence_sync.db.tables.history import (
    cadence_changes,
    cadence_versions,
    cadences,
    discovered_fields,
    execution_details,
    follow_up_summaries,
    orgs,
)
from cadence_sync.db.tables.running import quarantined_records, schema_drift
from cadence_sync.ports import Run

_SATELLITES: Final = (
    (follow_up_summaries, "summary", summary_values),
    (execution_details, "execution_details", execution_values),
)
"""Tables of one object of Zoho's record each, its key, and the function that returns its columns."""


def plan_writes(run: Run, listing: Listing, plan: Plan) -> Iterator[Write]:
    yield from _write_versions(run, listing, plan.versions)
    yield from _write_current(run, listing, plan)
    yield from _refresh_digests(run, listing, plan.reencoded)
    yield from _record_drift(run, listing, plan.drift)


def _write_versions(run: Run, listing: Listing, versions: list[Version]) -> Iterator[Write]:
    ends = [
        {"cadence_id": v.row.cadence_id, "version": v.number - 1, "valid_to": v.valid_from}
        for v in versions
        if v.number > 1
    ]
    yield from update_rows(cadence_versions, run.org_id, ends)
    yield from copy_rows(cadence_versions, [_version_row(run, listing, version) for version in versions])
    yield from copy_rows(cadence_changes, list(_change_rows(run, listing, versions)))


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
    """Rewrites the current rows of new versions and of refreshes; deleted ones are only marked."""
    deleted = [
        {
            "cadence_id": v.row.cadence_id,
            "version": v.number,
            "deleted_at": v.valid_from,
            "last_changed_at": v.valid_from,
        }
        for v in plan.versions
        if v.kind is Kind.DELETED
    ]
    yield from update_rows(cadences, run.org_id, deleted)
    new = [v for v in plan.versions if v.number == 1]
    present = [v for v in plan.versions if v.number > 1 and v.kind is not Kind.DELETED]
    yield from copy_rows(cadences, [_current_row(run, listing, v) for v in new])
    rows = [_current_row(run, listing, v) for v in present]
    yield from upsert_rows(cadences, rows, keep=frozenset({"first_seen_at"}))
    yield from _refresh(run, listing, plan.refreshes)
    changed = [*(v.row for v in present), *(r.row for r in plan.refreshes)]
    for table, name, values_of in _SATELLITES:
        yield from copy_rows(table, _satellites(run, (v.row for v in new), values_of))
        others = [row for row in changed if name in row.objects]
        yield from upsert_rows(table, _satellites(run, others, values_of))
        if dropped := [row.cadence_id for row in others if values_of(row.config) is None]:
            yield delete(table).where(table.c.org_id == run.org_id, table.c.cadence_id == any_of(dropped))


def _satellites(
    run: Run, rows: Iterable[CurrentRow], values_of: Callable[[Config], dict[str, object] | None]
) -> list[dict[str, Any]]:
    return [
        {"org_id": run.org_id, "cadence_id": row.cadence_id, **values}
        for row in rows
        if (values := values_of(row.config)) is not None
    ]


def _current_row(run: Run, listing: Listing, version: Version) -> dict[str, Any]:
    return {
        "org_id": run.org_id,
        **_refreshed_row(version.row),
        "first_seen_at": listing.started_at,
        "last_changed_at": version.valid_from,
        "deleted_at": None,
        "version": version.number,
    }


def _refreshed_row(row: CurrentRow) -> dict[str, Any]:
    return {"cadence_id": row.cadence_id, **cadence_values(row), "extra": _json(row.extra), "digest": row.digest}


def _refresh(run: Run, listing: Listing, refreshes: list[Refresh]) -> Iterator[Write]:
    yield from update_rows(cadences, run.org_id, [_refreshed_row(refresh.row) for refresh in refreshes])
    yield from copy_rows(discovered_fields, list(_discovered_rows(run, listing, refreshes)))


def _discovered_rows(run: Run, listing: Listing, refreshes: list[Refresh]) -> Iterable[dict[str, Any]]:
    for refresh in refreshes:
        for path, value in refresh.discovered.items():
            yield {
                "org_id": run.org_id,
                "cadence_id": refresh.row.cadence_id,
                "version": refresh.version,
                "field": path,
                "value": _json(value),
                "observed_at": listing.started_at,
                "run_id": run.run_id,
            }


def quarantine(run: Run, listing: Listing) -> Iterator[Write]:
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
    if not rows or not run.may_refresh_digests:
        return
    yield from update_rows(cadences, run.org_id, [{"cadence_id": r.cadence_id, "digest": r.digest} for r in rows])
    yield update(orgs).where(orgs.c.org_id == run.org_id).values(digests_refreshed_at=listing.started_at)


def _record_drift(run: Run, listing: Listing, samples: dict[str, str]) -> Iterator[Write]:
    """Stores unknown fields and words with one sample for each path, at most once a day."""
    if not samples:
        return
    now = listing.started_at
    rows = [
        {"org_id": run.org_id, "path": path, "sample": sample, "first_seen_at": now, "last_seen_at": now}
        for path, sample in sorted(samples.items())
    ]
    statement = insert(schema_drift).from_select(list(rows[0]), values_as_select(schema_drift, rows))
    stale = schema_drift.c.last_seen_at < now - DAY
    new = {name: statement.excluded[name] for name in ("sample", "last_seen_at")}
    yield statement.on_conflict_do_update(index_elements=["org_id", "path"], set_=new, where=stale)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
