"""Runs: each is recorded when it begins and ends in exactly one outcome."""

import os
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, Update, exists, func, literal, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.listing import Listing
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, outcome_of
from cadence_sync.db.tables.history import orgs, redactions
from cadence_sync.db.tables.running import held_deletions, sync_runs
from cadence_sync.errors import UNKNOWN_ORG, OrgBusyError, SettingsError
from cadence_sync.ports import ApiUsage, Org, PagingHint, Run

_PROC = Path("/proc")
_LIMITED: Final = select(func.set_config("lock_timeout", "10s", true()).is_not(None)).scalar_subquery()
"""Comes before the lock that a statement takes, and ends with its transaction."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process; `host` includes the boot and the process namespace, because containers share names and numbers."""

    host: str
    pid: int
    started: str


@cache
def current() -> Process:
    return Process(_host(), os.getpid(), _started(os.getpid()) or "")


def is_gone(process: Process, *, expired: bool) -> bool:
    """Returns whether a run surely cannot write any more: its process has ended, or its lease has expired."""
    return expired or (process.host == _host() and _started(process.pid) != process.started)


def _started(pid: int) -> str | None:
    """Returns when a process started: numbers are reused, but number and start are unique until the next boot.

    Where there is /proc, that is clock ticks since the boot: a time of day would move when the clock is set.
    """
    if not (_PROC / "self").exists():
        return _started_by_psutil(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]  # a zombie has ended; for the start time see proc(5)


def _started_by_psutil(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - Linux has no need of it

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


@cache
def _host() -> str:
    parts = [socket.gethostname()]
    if (boot := _PROC / "sys/kernel/random/boot_id").exists():
        parts.append(boot.read_text(encoding="ascii").strip())
    if (namespace := _PROC / "self/ns/pid").is_symlink():
        parts.append(str(namespace.readlink()))
    return "/".join(parts)


DAY: Final = timedelta(days=1)
ABANDONED: Final = ErrorInfo(
    "ABANDONED", "The process ended before the run did.", "The next run took over; nothing was applied by this one.", 1
)


async def start_run(connection: AsyncConnection, org: Org, trigger: str, started_at: datetime, lease: float) -> Run:
    """Records a run and returns it with the organization's state; `lease` is its longest duration in seconds.

    Takes one statement where the organization is known and has no open run, which is nearly always.
    """
    statement = _insert_run(org, trigger, started_at, lease)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        await _make_known(connection, org)
        row = (await connection.execute(statement)).one()
    if row.open_runs:
        await _close_abandoned(connection, org.org_id, row.open_runs, started_at)
    return _run_of(row, row.run_id, started_at)


async def _make_known(connection: AsyncConnection, org: Org) -> None:
    """Stores an organization under its data center; raises `UNKNOWN_ORG` where it is managed here and was removed."""
    values = {"org_id": org.org_id, "data_center": org.data_center}
    if org.stored:
        present = (orgs.c.org_id == org.org_id, orgs.c.removed_at.is_(None))
        if (await connection.execute(update(orgs).where(*present).values(values))).rowcount == 0:
            raise org_removed(org.org_id)
        return
    again = values | {"removed_at": None}  # the settings name it
    await connection.execute(insert(orgs).values(values).on_conflict_do_update(index_elements=["org_id"], set_=again))


async def preview_run(connection: AsyncConnection, org: Org, started_at: datetime) -> Run:
    row = (await connection.execute(select(*_state_columns()).where(orgs.c.org_id == org.org_id))).one_or_none()
    return Run(0, org.org_id, started_at, 0, None, PagingHint()) if row is None else _run_of(row, 0, started_at)


def _insert_run(org: Org, trigger: str, started_at: datetime, lease: float) -> Select[Any]:
    """Builds the statement that inserts a run and returns the organization's state.

    It does nothing where the organization is unknown or has another data center.
    """
    me = current()
    values = {"org_id": org.org_id, "trigger": trigger, "started_at": started_at}
    values |= {"host": me.host, "pid": me.pid, "process_started": me.started}
    literals = [literal(value, sync_runs.c[name].type) for name, value in values.items()]
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, literal(lease))
    mine = (orgs.c.org_id == org.org_id, orgs.c.data_center == org.data_center, orgs.c.removed_at.is_(None))
    entered = (
        insert(sync_runs)
        .from_select([*values, "lease_until"], select(*literals, until).select_from(orgs).where(*mine))
        .returning(sync_runs.c.run_id)
        .cte("entered")
    )
    expired = sync_runs.c.lease_until < func.now()
    process = (sync_runs.c.run_id, sync_runs.c.host, sync_runs.c.pid, sync_runs.c.process_started, expired)
    is_open = (sync_runs.c.org_id == orgs.c.org_id, sync_runs.c.outcome.is_(None))
    open_runs = select(func.json_agg(func.json_build_array(*process))).where(*is_open)
    columns = [*_state_columns(), entered.c.run_id, open_runs.scalar_subquery().label("open_runs")]
    return select(*columns).select_from(orgs.join(entered, true())).where(*mine)


def _state_columns() -> tuple[Any, ...]:
    pending = exists().where(held_deletions.c.org_id == orgs.c.org_id).label("has_pending_deletions")
    # Read together with the fence: a redaction that comes later moves it.
    redacted = select(func.array_agg(redactions.c.user_id)).where(redactions.c.org_id == orgs.c.org_id)
    return (orgs, pending, redacted.scalar_subquery().label("redacted"))


def _run_of(row: Row[Any], run_id: int, started_at: datetime) -> Run:
    return Run(
        run_id,
        row.org_id,
        started_at,
        row.fence,
        row.last_listed_at,
        PagingHint(row.last_page_count, row.rejected_page_size),
        has_pending_deletions=row.has_pending_deletions,
        had_unreadable_ids=row.had_unreadable_ids,
        redacted=frozenset(row.redacted or ()),
        may_refresh_digests=row.digests_refreshed_at is None or row.digests_refreshed_at < started_at - DAY,
    )


async def finish_run(
    connection: AsyncConnection, run: Run, values: Mapping[str, object], usage: ApiUsage, finished_at: datetime
) -> None:
    """Closes a run with its outcome; raises `OrgBusyError` where another process has closed it."""
    result = await connection.execute(_finish_statement(run, values, usage, finished_at))
    if result.rowcount != 1:
        raise _marked_abandoned()


async def finish_unchanged(
    connection: AsyncConnection, run: Run, listing: Listing, usage: ApiUsage, finished_at: datetime
) -> Counters:
    """Passes the fence and closes a run that has nothing else to write, in one statement; raises `OrgBusyError`.

    It waits for a session that locks the organization's row: that one may write it, or only prune its runs.
    """
    counters = Counters.of(listing, DeletionPlan(), Counter())
    values = success_values(run, counters, DeletionPlan())
    free = (
        select(orgs.c.org_id)
        .where(orgs.c.org_id == run.org_id, orgs.c.fence == run.fence, _LIMITED)
        .with_for_update(key_share=True)
        .cte("free")
    )
    closed = (
        _finish_statement(run, values, usage, finished_at)
        .where(exists().where(free.c.org_id == run.org_id))
        .returning(sync_runs.c.run_id)
        .cte("closed")
    )
    passed = (
        _advance_fence(run, listing)
        .where(exists().where(closed.c.run_id == run.run_id))
        .returning(orgs.c.org_id)
        .cte("passed")
    )
    ends = select(exists().where(free.c.org_id == run.org_id), exists().where(passed.c.org_id == run.org_id))
    is_free, is_closed = (await connection.execute(ends)).one()
    if not is_free:
        raise _superseded()
    if not is_closed:
        raise _marked_abandoned()
    return counters


async def pass_fence(connection: AsyncConnection, run: Run, listing: Listing) -> None:
    """Advances the fence; raises `OrgBusyError` if it has moved."""
    if (await connection.execute(_advance_fence(run, listing))).rowcount != 1:
        raise _superseded()


def _advance_fence(run: Run, listing: Listing) -> Update:
    """Builds the statement that advances the fence, unless it has moved, and stores what the listing taught."""
    return (
        update(orgs)
        .where(orgs.c.org_id == run.org_id, orgs.c.fence == run.fence)
        .values(
            fence=orgs.c.fence + 1,
            first_listed_at=func.coalesce(orgs.c.first_listed_at, listing.started_at),
            last_listed_at=listing.started_at,
            last_page_count=listing.pages,
            rejected_page_size=listing.rejected_page_size,
            had_unreadable_ids=listing.has_unreadable_ids,
            consecutive_failures=0,
            last_run_at=run.started_at,
        )
    )


async def count_failure(connection: AsyncConnection, run: Run) -> int | None:
    values = {"consecutive_failures": orgs.c.consecutive_failures + 1, "last_run_at": run.started_at}
    counting = update(orgs).where(orgs.c.org_id == run.org_id).values(values).returning(orgs.c.consecutive_failures)
    failures: int | None = await connection.scalar(counting)
    return failures


def org_removed(org_id: str) -> SettingsError:
    return SettingsError(f"The organization {org_id!r} was removed.", hint="Nothing is synced.", code=UNKNOWN_ORG)


def _superseded() -> OrgBusyError:
    return OrgBusyError(
        "Another run wrote this organization since this one began.", hint="Its view of Zoho is the newer one."
    )


def _marked_abandoned() -> OrgBusyError:
    return OrgBusyError("This run was closed by another, which took it for dead.", hint="Sync again.")


def _finish_statement(run: Run, values: Mapping[str, object], usage: ApiUsage, finished_at: datetime) -> Update:
    return (
        update(sync_runs)
        .where(sync_runs.c.org_id == run.org_id, sync_runs.c.run_id == run.run_id, sync_runs.c.outcome.is_(None))
        .values(finished_at=finished_at, **asdict(usage), **values)
    )


async def _close_abandoned(
    connection: AsyncConnection, org_id: str, open_runs: Iterable[Sequence[Any]], now: datetime
) -> None:
    """Closes the runs whose processes are surely gone: dead on this machine, or past their lease elsewhere."""
    gone = [
        run_id
        for run_id, host, pid, started, expired in open_runs
        if is_gone(Process(host, pid, started), expired=expired)
    ]
    if not gone:
        return
    await connection.execute(
        update(sync_runs)
        .where(sync_runs.c.org_id == org_id, sync_runs.c.run_id.in_(gone), sync_runs.c.outcome.is_(None))
        .values(finished_at=func.greatest(sync_runs.c.started_at, now), **failure_values(ABANDONED))
    )
    # An organization whose runs keep killing their processes must be polled less often, too.
    failures = orgs.c.consecutive_failures + len(gone)
    await connection.execute(update(orgs).where(orgs.c.org_id == org_id).values(consecutive_failures=failures))


def success_values(run: Run, counters: Counters, deletions: DeletionPlan) -> dict[str, object]:
    hold_id = (deletions.hold_id or run.run_id) if deletions.hold else None
    outcome = str(outcome_of(counters))
    return {"outcome": outcome, **asdict(counters), "auto_deleted": deletions.auto_deleted, "hold_id": hold_id}


def failure_values(problem: ErrorInfo) -> dict[str, object]:
    return {
        "outcome": str(Outcome.FAILED),
        "error_code": problem.code,
        "error_message": problem.message,
        "error_hint": problem.hint,
    }
