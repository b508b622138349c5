"""Questions of the command line to the tables; each answers with plain rows, ready for JSON."""

from typing import Any, Final

from sqlalchemy import Select, and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import translate_errors
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import (
    cadence_changes,
    cadences,
    execution_details,
    follow_up_summaries,
    held_deletions,
    orgs,
    quarantined_records,
    schema_drift,
    sync_runs,
)

QueryRows = list[dict[str, Any]]
_INNER: Final = {"version", "digest"}
"""Columns of `cadences` that are the store's own business."""


async def status(engine: AsyncEngine) -> QueryRows:
    """One row an organization: what is stored, the last run, the last success, and what wants attention."""
    last = _last_run()
    succeeded = select(func.max(sync_runs.c.finished_at)).where(
        sync_runs.c.org_id == orgs.c.org_id, sync_runs.c.outcome.in_(["succeeded", "partial", "held"])
    )
    statement = (
        select(
            orgs.c.org_id,
            orgs.c.data_center,
            _count(cadences, cadences.c.deleted_at.is_(None)).label("live"),
            _count(cadences, cadences.c.deleted_at.is_not(None)).label("deleted"),
            succeeded.scalar_subquery().label("last_success_at"),
            *(last.c[name].label(f"last_{name}") for name in _RUN_SUMMARY),
            _count(held_deletions, held_deletions.c.decision.is_(None)).label("held"),
            select(func.max(held_deletions.c.hold_id))
            .where(held_deletions.c.org_id == orgs.c.org_id, held_deletions.c.decision.is_(None))
            .scalar_subquery()
            .label("held_run_id"),
            _count(held_deletions, held_deletions.c.decision == "rejected").label("missing"),
            _count(schema_drift).label("drift"),
            _count(quarantined_records, quarantined_records.c.run_id == last.c.run_id).label("quarantined"),
        )
        .outerjoin(last, last.c.org_id == orgs.c.org_id)
        .order_by(orgs.c.org_id)
    )
    return await _rows(engine, statement)


async def list_cadences(engine: AsyncEngine, org_id: str | None, *, deleted: bool) -> QueryRows:
    """One row a cadence, live ones unless the deleted are asked for too."""
    statement = _current().order_by(cadences.c.org_id, cadences.c.name, cadences.c.cadence_id)
    if org_id is not None:
        statement = statement.where(cadences.c.org_id == org_id)
    if not deleted:
        statement = statement.where(cadences.c.deleted_at.is_(None))
    return await _rows(engine, statement)


async def find_cadence(engine: AsyncEngine, org_id: str | None, cadence_id: str) -> QueryRows:
    """Return the current rows of this id: one an organization that has it."""
    statement = _current().where(cadences.c.cadence_id == cadence_id)
    if org_id is not None:
        statement = statement.where(cadences.c.org_id == org_id)
    return await _rows(engine, statement)


async def change_log(engine: AsyncEngine, org_id: str, limit: int) -> QueryRows:
    """Return the newest changes of an organization, with the names of the cadences."""
    statement = (
        select(cadence_changes, cadences.c.name)
        .join(cadences, _same_cadence(cadence_changes))
        .where(cadence_changes.c.org_id == org_id)
        .order_by(cadence_changes.c.change_id.desc())
        .limit(limit)
    )
    return await _rows(engine, statement)


_RUN_SUMMARY: Final = (
    "run_id",
    "started_at",
    "finished_at",
    "outcome",
    "error_code",
    "error_message",
    "error_hint",
)


def _last_run() -> Any:
    return (
        select(sync_runs)
        .ext(distinct_on(sync_runs.c.org_id))
        .order_by(sync_runs.c.org_id, sync_runs.c.run_id.desc())
        .subquery()
    )


def _count(table: Any, *conditions: Any) -> Any:
    return select(func.count()).select_from(table).where(table.c.org_id == orgs.c.org_id, *conditions).scalar_subquery()


def _current() -> Select[Any]:
    own = [c for c in cadences.c if c.name not in _INNER]
    counts = [c for c in follow_up_summaries.c if not c.primary_key]
    execution = [c.label(f"execution_{c.name}") for c in execution_details.c if not c.primary_key]
    return (
        select(*own, *counts, *execution, cadences.c.version)
        .outerjoin(follow_up_summaries, _same_cadence(follow_up_summaries))
        .outerjoin(execution_details, _same_cadence(execution_details))
    )


def _same_cadence(table: Any) -> Any:
    return and_(table.c.org_id == cadences.c.org_id, table.c.cadence_id == cadences.c.cadence_id)


async def _rows(engine: AsyncEngine, statement: Select[Any]) -> QueryRows:
    with translate_errors():
        async with engine.connect() as connection:
            await check_migrated(connection)
            return [dict(row) for row in (await connection.execute(statement)).mappings()]
