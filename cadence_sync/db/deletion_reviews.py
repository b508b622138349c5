"""Held deletions and their reviews."""

from datetime import datetime
from typing import Final, Literal

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.deletions import DeletionPlan, PendingDeletions
from cadence_sync.core.labels import plural
from cadence_sync.db import alert_outbox, audit
from cadence_sync.db.bulk import all_of, execute, upsert_rows
from cadence_sync.db.engine import LOCK_ORG, transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.runs import DAY
from cadence_sync.db.tables.history import orgs
from cadence_sync.db.tables.running import deletion_decisions, held_deletions, sync_runs
from cadence_sync.errors import NotFoundError
from cadence_sync.ports import Actor, Run

Decision = Literal["approved", "rejected"]
ACTIONS: Final[dict[Decision, str]] = {"approved": "approve", "rejected": "reject"}
"""What the audit log calls them."""


async def load_pending_deletions(connection: AsyncConnection, run: Run) -> PendingDeletions:
    rows = (await connection.execute(select(held_deletions).where(held_deletions.c.org_id == run.org_id))).all()
    deleted = await connection.scalar(
        select(func.coalesce(func.sum(sync_runs.c.auto_deleted), 0)).where(
            sync_runs.c.org_id == run.org_id, sync_runs.c.started_at > run.started_at - DAY
        )
    )
    by_decision = {
        decision: frozenset(row.cadence_id for row in rows if row.decision == decision)
        for decision in (None, "approved", "rejected")
    }
    return PendingDeletions(
        held=by_decision[None],
        hold_id=max((row.hold_id for row in rows if row.decision is None), default=None),
        approved=by_decision["approved"],
        rejected=by_decision["rejected"],
        auto_deleted_today=int(deleted or 0),
    )


async def save_held_deletions(
    connection: AsyncConnection, run: Run, deletions: DeletionPlan, seen_at: datetime
) -> None:
    """Drops those that reappeared or were deleted; starts a new hold where other cadences are held than before."""
    if run.has_pending_deletions:
        stay = all_of([*deletions.hold, *deletions.keep])
        await connection.execute(
            delete(held_deletions).where(held_deletions.c.org_id == run.org_id, held_deletions.c.cadence_id != stay)
        )
    if deletions.hold_id is None:
        hold = {"hold_id": run.run_id, "missing_since": seen_at, "decision": None, "decided_at": None}
        rows = [{"org_id": run.org_id, "cadence_id": cadence_id, **hold} for cadence_id in deletions.hold]
        await execute(connection, upsert_rows(held_deletions, rows, keep=frozenset({"missing_since"})))


async def review_deletions(
    engine: AsyncEngine, run_id: int, decision: Decision, by: Actor, alerting: AlertRouting | None = None
) -> tuple[str, int]:
    """Records the review of a run's held deletions; returns the organization and the number of cadences.

    Raises `NotFoundError` where nothing is held any more.
    """
    async with transaction(engine) as connection:
        await check_migrated(connection)
        org_id, hold_id, count = await _review(connection, run_id, decision)
        who = f"{by.name} (page)" if by.source == "web" else by.name
        entered = await connection.execute(
            insert(deletion_decisions)
            .values(org_id=org_id, hold_id=hold_id, decision=decision, decided_by=who, cadences=count)
            .returning(deletion_decisions.c.decision_id, deletion_decisions.c.decided_at)
        )
        number, at = entered.one()
        result = f"{decision}: {plural(count, 'cadence')}"
        await audit.enter(connection, by, ACTIONS[decision], result, org_id=org_id, run_id=run_id)
        await alert_outbox.enter_decision(connection, alerting or AlertRouting(), org_id, hold_id, number, at)
        return org_id, count


async def _review(connection: AsyncConnection, run_id: int, decision: Decision) -> tuple[str, int, int]:
    """Returns the organization, the run that held the deletions first, and the number of cadences."""
    run = (await connection.execute(select(sync_runs).where(sync_runs.c.run_id == run_id))).one_or_none()
    if run is None or run.hold_id is None:
        raise NotFoundError(f"Run {run_id} holds no deletions.", hint="`cadence-sync status` names runs that do.")
    await connection.execute(LOCK_ORG, {"org_id": run.org_id})
    decided = await connection.execute(
        update(held_deletions)
        .where(held_deletions.c.org_id == run.org_id, held_deletions.c.hold_id == run.hold_id)
        .values(decision=decision, decided_at=func.now())
    )
    if decided.rowcount == 0:
        raise NotFoundError(
            f"What run {run_id} held is settled, or a newer run replaced it.",
            hint="`cadence-sync status` names the newest.",
        )
    # A run that read the pending deletions before this review must not write.
    await connection.execute(update(orgs).where(orgs.c.org_id == run.org_id).values(fence=orgs.c.fence + 1))
    return run.org_id, run.hold_id, decided.rowcount
