"""The ledger of runs: every run is entered when it begins and ends in exactly one outcome."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, Update, exists, func, literal, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.guard import Verdict
from cadence_sync.core.listing import Listing
from cadence_sync.core.report import Counters, Outcome, Problem
from cadence_sync.db import processes
from cadence_sync.db.tables import held_deletions, orgs, redactions, sync_runs
from cadence_sync.errors import OrgBusyError, SettingsError
from cadence_sync.ports import UNKNOWN_ORG, Hint, Org, Run, Traffic

DAY: Final = timedelta(days=1)
ABANDONED: Final = Problem(
    "ABANDONED",
    "The process ended before the run did.",
    "The next run took over; nothing was applied by this one.",
    1,
)


async def enter(connection: AsyncConnection, org: Org, trigger: str, started_at: datetime, lease: float) -> Run:
    """Enter a run and return what it must know of the past; `lease` is the longest that it can last, in seconds.

    One statement where the organization is known and no run of it is open, which is nearly always.
    """
    statement = _entering(org, trigger, started_at, lease)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        await _make_known(connection, org)
        row = (await connection.execute(statement)).one()
    if row.open_runs:
        await _close_abandoned(connection, org.org_id, row.open_runs, started_at)
    return _run_of(row, row.run_id, started_at)


async def _make_known(connection: AsyncConnection, org: Org) -> None:
    """Let an organization be there under its data center; raises `UNKNOWN_ORG` for a stored one that was removed."""
    values = {"org_id": org.org_id, "data_center": org.data_center}
    if org.stored:
        there = (orgs.c.org_id == org.org_id, orgs.c.removed_at.is_(None))
        if (await connection.execute(update(orgs).where(*there).values(values))).rowcount == 0:
            raise removed(org.org_id)
        return
    again = values | {"removed_at": None}  # the settings name it
    await connection.execute(insert(orgs).values(values).on_conflict_do_update(index_elements=["org_id"], set_=again))


async def look(connection: AsyncConnection, org: Org, started_at: datetime) -> Run:
    """Return what `enter` would, as run 0, without entering anything."""
    row = (await connection.execute(select(*_known()).where(orgs.c.org_id == org.org_id))).one_or_none()
    return Run(0, org.org_id, started_at, 0, None, Hint()) if row is None else _run_of(row, 0, started_at)


def _entering(org: Org, trigger: str, started_at: datetime, lease: float) -> Select[Any]:
    """Return what enters a run of an organization that is known under that data center, and says what is known."""
    me = processes.current()
    values = {
        "org_id": org.org_id,
        "trigger": trigger,
        "started_at": started_at,
        "host": me.host,
        "pid": me.pid,
        "process_started": me.started,
    }
    columns = [literal(value, sync_runs.c[name].type) for name, value in values.items()]
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, literal(lease))
    mine = (orgs.c.org_id == org.org_id, orgs.c.data_center == org.data_center, orgs.c.removed_at.is_(None))
    entered = (
        insert(sync_runs)
        .from_select([*values, "lease_until"], select(*columns, until).select_from(orgs).where(*mine))
        .returning(sync_runs.c.run_id)
        .cte("entered")
    )
    expired = sync_runs.c.lease_until < func.now()
    open_runs = select(
        func.json_agg(
            func.json_build_array(
                sync_runs.c.run_id, sync_runs.c.host, sync_runs.c.pid, sync_runs.c.process_started, expired
            )
        )
    ).where(sync_runs.c.org_id == orgs.c.org_id, sync_runs.c.outcome.is_(None))
    asked = [*_known(), entered.c.run_id, open_runs.scalar_subquery().label("open_runs")]
    return select(*asked).select_from(orgs.join(entered, true())).where(*mine)


def _known() -> tuple[Any, ...]:
    """Return what is asked of an organization when a run begins."""
    docket = exists().where(held_deletions.c.org_id == orgs.c.org_id).label("has_docket")
    # Read together with the fence: a redaction that comes later moves it.
    redacted = select(func.array_agg(redactions.c.user_id)).where(redactions.c.org_id == orgs.c.org_id)
    return (orgs, docket, redacted.scalar_subquery().label("redacted"))


def _run_of(row: Row[Any], run_id: int, started_at: datetime) -> Run:
    return Run(
        run_id,
        row.org_id,
        started_at,
        row.fence,
        row.last_listed_at,
        Hint(row.last_page_count, row.rejected_page_size),
        has_docket=row.has_docket,
        had_unreadable_ids=row.had_unreadable_ids,
        redacted=frozenset(row.redacted or ()),
        may_respell=row.digests_refreshed_at is None or row.digests_refreshed_at < started_at - DAY,
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
    result = await connection.execute(_closing(run, outcome, traffic, finished_at, told))
    if result.rowcount != 1:
        raise taken_for_dead()


async def settle(
    connection: AsyncConnection,
    run: Run,
    listing: Listing,
    outcome: Outcome,
    traffic: Traffic,
    finished_at: datetime,
    told: Mapping[str, object],
) -> None:
    """Pass the fence and close a run that has nothing else to write, in one statement; raises `OrgBusyError`.

    It waits for nobody: whoever holds the organization's row is writing it.
    """
    free = (
        select(orgs.c.org_id)
        .where(orgs.c.org_id == run.org_id, orgs.c.fence == run.fence)
        .with_for_update(nowait=True, key_share=True)
        .cte("free")
    )
    closed = (
        _closing(run, outcome, traffic, finished_at, told)
        .where(exists().where(free.c.org_id == run.org_id))
        .returning(sync_runs.c.run_id)
        .cte("closed")
    )
    passed = (
        passing(run, listing)
        .where(exists().where(closed.c.run_id == run.run_id))
        .returning(orgs.c.org_id)
        .cte("passed")
    )
    is_free, is_closed = (
        await connection.execute(
            select(exists().where(free.c.org_id == run.org_id), exists().where(passed.c.org_id == run.org_id))
        )
    ).one()
    if not is_free:
        raise overtaken()
    if not is_closed:
        raise taken_for_dead()


def passing(run: Run, listing: Listing) -> Update:
    """Return what moves the fence that a run read at its start, and notes what its walk taught."""
    return (
        update(orgs)
        .where(orgs.c.org_id == run.org_id, orgs.c.fence == run.fence)
        .values(
            fence=orgs.c.fence + 1,
            first_listed_at=func.coalesce(orgs.c.first_listed_at, listing.started_at),
            last_listed_at=listing.started_at,
            last_page_count=listing.pages,
            rejected_page_size=listing.rejected_page_size,
            had_unreadable_ids=listing.hides_ids,
            consecutive_failures=0,
            last_run_at=run.started_at,
        )
    )


async def count_failure(connection: AsyncConnection, run: Run) -> int | None:
    """Note that one more run failed in a row, and return how many those are."""
    values = {"consecutive_failures": orgs.c.consecutive_failures + 1, "last_run_at": run.started_at}
    counting = update(orgs).where(orgs.c.org_id == run.org_id).values(values).returning(orgs.c.consecutive_failures)
    consecutive_failures: int | None = await connection.scalar(counting)
    return consecutive_failures


def removed(org_id: str) -> SettingsError:
    """Return what is said of an organization that was removed while its job waited."""
    return SettingsError(f"The organization {org_id!r} was removed.", hint="Nothing is synced.", code=UNKNOWN_ORG)


def overtaken() -> OrgBusyError:
    """Return what is said of a run whose fence has moved: its view of Zoho is an older one."""
    return OrgBusyError(
        "Another run wrote this organization since this one began.", hint="Its view of Zoho is the newer one."
    )


def taken_for_dead() -> OrgBusyError:
    """Return what is said of a run that another one closed."""
    return OrgBusyError("This run was closed by another, which took it for dead.", hint="Sync again.")


def _closing(run: Run, outcome: Outcome, traffic: Traffic, finished_at: datetime, told: Mapping[str, object]) -> Update:
    return (
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


async def _close_abandoned(
    connection: AsyncConnection, org_id: str, open_runs: Iterable[Sequence[Any]], now: datetime
) -> None:
    """Close the runs whose processes are surely gone: dead on this machine, or past their lease elsewhere."""
    gone = [
        run_id
        for run_id, host, pid, started, expired in open_runs
        if processes.is_gone(processes.Process(host, pid, started), expired=expired)
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
        # One whose runs keep ending their processes is polled ever more rarely, too.
        await connection.execute(
            update(orgs)
            .where(orgs.c.org_id == org_id)
            .values(consecutive_failures=orgs.c.consecutive_failures + len(gone))
        )


def written(run: Run, counters: Counters, verdict: Verdict) -> dict[str, int | None]:
    """Return what is told of a run that wrote."""
    hold_id = (verdict.case or run.run_id) if verdict.hold else None
    return {**asdict(counters), "auto_deleted": verdict.unasked, "hold_id": hold_id}


def failed(problem: Problem) -> dict[str, str]:
    """Return what is told of a run that failed."""
    return {"error_code": problem.code, "error_message": problem.message, "error_hint": problem.hint}
