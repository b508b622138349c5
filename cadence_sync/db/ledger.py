"""The ledger of runs: every run is entered when it begins and ends in exactly one outcome."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.guard import Verdict
from cadence_sync.core.report import Counters, Outcome, Problem
from cadence_sync.db import processes
from cadence_sync.db.tables import held_deletions, orgs, redactions, sync_runs
from cadence_sync.errors import OrgBusyError
from cadence_sync.ports import Hint, Org, Run, Traffic

DAY: Final = timedelta(days=1)
ABANDONED: Final = Problem(
    "ABANDONED",
    "The process ended before the run did.",
    "The next run took over; nothing was applied by this one.",
    1,
)


async def enter(connection: AsyncConnection, org: Org, trigger: str, started_at: datetime, lease: float) -> Run:
    """Enter a run and return what it must know of the past; `lease` is the longest that it can last, in seconds."""
    # Looked at first: ON CONFLICT would wait for a run that is writing, even with nothing to do.
    known = await connection.scalar(select(orgs.c.data_center).where(orgs.c.org_id == org.org_id))
    if known != org.data_center:
        values = {"org_id": org.org_id, "data_center": org.data_center}
        entry = insert(orgs).values(values)
        await connection.execute(entry.on_conflict_do_update(index_elements=["org_id"], set_=values))
    me = processes.current()
    entered = (
        insert(sync_runs)
        .values(
            org_id=org.org_id,
            trigger=trigger,
            started_at=started_at,
            host=me.host,
            pid=me.pid,
            process_started=me.started,
            lease_until=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, literal(lease)),
        )
        .returning(sync_runs.c.run_id)
    )
    run_id = (await connection.execute(entered)).scalar_one()
    return await _run(connection, org, run_id, started_at)


async def look(connection: AsyncConnection, org: Org, started_at: datetime) -> Run:
    """Return what `enter` would, as run 0, without entering anything."""
    return await _run(connection, org, 0, started_at)


async def _run(connection: AsyncConnection, org: Org, run_id: int, started_at: datetime) -> Run:
    docket = exists().where(held_deletions.c.org_id == orgs.c.org_id).label("has_docket")
    # Read together with the fence: a redaction that comes later moves it.
    redacted = select(func.array_agg(redactions.c.user_id)).where(redactions.c.org_id == orgs.c.org_id)
    columns = (orgs, docket, redacted.scalar_subquery().label("redacted"))
    row = (await connection.execute(select(*columns).where(orgs.c.org_id == org.org_id))).one_or_none()
    if row is None:
        return Run(run_id, org.org_id, started_at, 0, None, Hint())
    hint = Hint(row.last_pages, row.refused_per_page)
    return Run(
        run_id,
        org.org_id,
        started_at,
        row.fence,
        row.last_walk_at,
        hint,
        has_docket=row.has_docket,
        hid_ids=row.hid_ids,
        redacted=frozenset(row.redacted or ()),
        may_respell=row.respelled_at is None or row.respelled_at < started_at - DAY,
    )


async def close(
    connection: AsyncConnection,
    run: Run,
    outcome: Outcome,
    traffic: Traffic,
    finished_at: datetime,
    told: Mapping[str, object],
) -> None:
    """Give a run its outcome and what is `told` of it; raises `OrgBusyError` where another process has closed it."""
    result = await connection.execute(
        update(sync_runs)
        .where(sync_runs.c.org_id == run.org_id, sync_runs.c.run_id == run.run_id, sync_runs.c.outcome.is_(None))
        .values(
            outcome=str(outcome),
            finished_at=finished_at,
            api_calls=traffic.api_calls,
            pages=traffic.pages,
            credits_left=traffic.credits_left,
            **told,
        )
    )
    if result.rowcount != 1:
        raise OrgBusyError("This run was closed by another, which took it for dead.", hint="Sync again.")


async def close_abandoned(connection: AsyncConnection, org_id: str, now: datetime) -> None:
    """Close the runs whose processes are surely gone: dead on this machine, or past their lease elsewhere."""
    expired = (sync_runs.c.lease_until < func.now()).label("expired")
    columns = (sync_runs.c.run_id, sync_runs.c.host, sync_runs.c.pid, sync_runs.c.process_started, expired)
    open_runs = await connection.execute(
        select(*columns).where(sync_runs.c.org_id == org_id, sync_runs.c.outcome.is_(None))
    )
    gone = [
        row.run_id
        for row in open_runs
        if processes.is_gone(processes.Process(row.host, row.pid, row.process_started), expired=row.expired)
    ]
    if gone:
        await connection.execute(
            update(sync_runs)
            .where(sync_runs.c.org_id == org_id, sync_runs.c.run_id.in_(gone), sync_runs.c.outcome.is_(None))
            .values(
                outcome=str(Outcome.FAILED),
                finished_at=func.greatest(sync_runs.c.started_at, now),
                **failed(ABANDONED),
            )
        )


def written(run: Run, counters: Counters, verdict: Verdict) -> dict[str, int | None]:
    """Return what is told of a run that wrote."""
    held_case = (verdict.case or run.run_id) if verdict.hold else None
    return {**asdict(counters), "deleted_unasked": verdict.unasked, "held_case": held_case}


def failed(problem: Problem) -> dict[str, str]:
    """Return what is told of a run that failed."""
    return {"error_code": problem.code, "error_message": problem.message, "error_hint": problem.hint}
