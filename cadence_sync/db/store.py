"""The history in Postgres: runs, the state they start from, and the transaction that writes a plan."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from typing import Final

from sqlalchemy import and_, case, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.events import Event
from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.canonical import from_document
from cadence_sync.core.deletions import DeletionPlan, PendingDeletions
from cadence_sync.core.diff import Kind, Plan, PriorState
from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.labels import plural
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import BLOCK, CurrentState
from cadence_sync.core.report import Counters, ErrorInfo
from cadence_sync.db import alert_outbox, audit, deletion_reviews, runs, writes
from cadence_sync.db.bulk import any_of, execute
from cadence_sync.db.columns import CADENCE_LABELS
from cadence_sync.db.engine import LOCK_ORG, autocommit, transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.runs import DAY
from cadence_sync.db.tables.history import cadence_versions, cadences, discovered_fields
from cadence_sync.db.tables.running import quarantined_records, sync_runs
from cadence_sync.errors import BudgetError, CadenceSyncError, DatabaseError, OrgBusyError
from cadence_sync.ports import Actor, ApiUsage, Org, Run

BENIGN_FAILURES: Final = {"ORG_BUSY", "INTERRUPTED"}
"""Failures that say nothing about an organization: another run was first, or a person stopped this one."""

_IS_UNKNOWN: Final = or_(sync_runs.c.outcome.is_(None), sync_runs.c.error_code == "ABANDONED")
SPENT: Final = func.coalesce(
    func.sum(case((_IS_UNKNOWN, func.coalesce(sync_runs.c.reserved_calls, 0)), else_=sync_runs.c.api_calls)), 0
)
"""Calls of runs; one that is open or was killed counts its reservation, because its calls are unknown."""

# One row: a million rows would take ten times the memory.
_INDEX: Final = text("""
    SELECT string_agg(digest, '') AS digests, string_agg(cadence_id, '') AS ids,
        array_agg(length(cadence_id)) AS lengths,
        (SELECT count(*) FROM cadence_sync.cadences WHERE org_id = :org_id AND deleted_at IS NOT NULL) AS deleted
    FROM (
        SELECT digest, cadence_id FROM cadence_sync.cadences
        WHERE org_id = :org_id AND deleted_at IS NULL
    ) AS live
""")


_DISCOVERED: Final = (
    select(func.jsonb_object_agg(discovered_fields.c.field, discovered_fields.c.value, type_=JSONB))
    .where(*(discovered_fields.c[name] == cadences.c[name] for name in ("org_id", "cadence_id", "version")))
    .scalar_subquery()
)
"""The fields discovered since a cadence's open version began, as one JSON object or null."""


@dataclass(frozen=True, slots=True)
class CadenceReader:
    connection: AsyncConnection
    run: Run

    async def load_stored(self, cadence_ids: Collection[str]) -> dict[str, CurrentState]:
        if not cadence_ids:
            return {}
        versions = cadence_versions
        of_version = (versions.c[name] == cadences.c[name] for name in ("org_id", "cadence_id", "version"))
        statement = (
            select(
                cadences.c.cadence_id, cadences.c.version, cadences.c.deleted_at.is_not(None), versions.c.valid_from,
                versions.c.document, _DISCOVERED, cadences.c.extra, *(cadences.c[label] for label in CADENCE_LABELS),
            )
            .join(versions, and_(*of_version))
            .where(cadences.c.org_id == self.run.org_id, cadences.c.cadence_id == any_of(cadence_ids))
        )  # fmt: skip
        states: dict[str, CurrentState] = {}
        for row in await self.connection.execute(statement):
            cadence_id, version, deleted, valid_from, document, discovered, extra, *names = row
            config = from_document(document) | (discovered or {})
            labels = dict(zip(CADENCE_LABELS.values(), names, strict=True))
            states[cadence_id] = CurrentState(cadence_id, version, deleted, valid_from, config, labels, extra)
        return states

    async def load_prior_state(self, new_ids: Collection[str]) -> PriorState:
        if not new_ids or self.run.last_listed_at is None:
            return PriorState(self.run.last_listed_at)
        records = quarantined_records
        found = select(records.c.cadence_id).where(
            records.c.org_id == self.run.org_id, records.c.cadence_id == any_of(new_ids)
        )
        quarantined = frozenset((await self.connection.scalars(found.distinct())).all())
        return PriorState(self.run.last_listed_at, quarantined, had_unreadable_ids=self.run.had_unreadable_ids)


@dataclass(frozen=True, slots=True)
class Transaction(CadenceReader):
    """Writes a run, behind the organization's lock and fence; it commits after `finish` and not before."""

    listing: Listing
    alerting: AlertRouting
    kinds: Counter[Kind] = field(default_factory=Counter)
    """Versions written so far."""

    async def write(self, plan: Plan) -> None:
        self.kinds.update(version.kind for version in plan.versions)
        rows = writes.plan_writes(self.run, self.listing, plan)
        await execute(self.connection, chain(rows, alert_outbox.plan_entries(self.alerting, self.run, plan)))

    async def enter_permits(self, by: Actor, permits: Mapping[str, bool], deletions: DeletionPlan) -> None:
        """Enters who permitted a run what."""
        deleted = len(deletions.delete)
        details, result = {**permits, "deleted": deleted}, f"deleted {plural(deleted, 'cadence')}"
        run = self.run
        await audit.enter(self.connection, by, "sync", result, org_id=run.org_id, run_id=run.run_id, details=details)

    async def finish(self, deletions: DeletionPlan, usage: ApiUsage, finished_at: datetime) -> Counters:
        """Closes the run and stores its held deletions; raises `OrgBusyError` where another process closed it."""
        counters = Counters.of(self.listing, deletions, self.kinds)
        await execute(self.connection, writes.quarantine(self.run, self.listing))
        values = runs.success_values(self.run, counters, deletions)
        await runs.finish_run(self.connection, self.run, values, usage, finished_at)
        if self.alerting.rules and counters.versions > alert_outbox.FLOOD:
            await alert_outbox.coalesce(self.connection, self.run)
        if deletions.hold and deletions.hold_id is None:  # an open hold was announced before
            await execute(self.connection, alert_outbox.run_entries(self.alerting, self.run, Event.HELD))
        await deletion_reviews.save_held_deletions(self.connection, self.run, deletions, self.listing.started_at)
        return counters


@dataclass
class PostgresStore:
    """Stores runs and history; `lease` is the longest duration of a run in seconds, `budget` its API calls a day.

    Alerts that `alerting` asks for enter the outbox in the transaction that causes them.
    """

    engine: AsyncEngine
    lease: float
    budget: int | None = None
    alerting: AlertRouting = field(default_factory=AlertRouting)
    _checked: bool = field(default=False, init=False)

    async def begin(self, org: Org, trigger: str, started_at: datetime) -> Run:
        """Records a run and closes those whose processes are gone; raises `BudgetError` where no calls are left."""
        async with self._connect(autocommits=True) as connection:
            run = await runs.start_run(connection, org, trigger, started_at, self.lease)
        if self.budget is None:
            return run
        try:
            async with self._connect() as connection:
                allowance = await _reserve_calls(connection, run, self.budget)
        except CadenceSyncError as error:
            await self.fail(run, ErrorInfo.of(error), ApiUsage(), run.started_at)
            raise
        return replace(run, paging=replace(run.paging, allowance=allowance))

    async def preview(self, org: Org, started_at: datetime) -> Run:
        """Returns what `begin` would, as run 0, and writes nothing."""
        async with self._connect() as connection:
            return await runs.preview_run(connection, org, started_at)

    async def load_digests(self, org_id: str) -> DigestIndex:
        async with self._connect(autocommits=True) as connection:
            row = (await connection.execute(_INDEX, {"org_id": org_id})).one()
        return DigestIndex(row.digests or b"", row.ids or "", row.lengths or (), row.deleted)

    async def knows_any(self, org_id: str, cadence_ids: Iterable[str]) -> bool:
        ids = iter(cadence_ids)
        async with self._connect() as connection:
            while block := list(islice(ids, BLOCK)):
                stored = exists().where(cadences.c.org_id == org_id, cadences.c.cadence_id == any_of(block))
                if await connection.scalar(select(stored)):
                    return True
        return False

    async def load_pending_deletions(self, run: Run) -> PendingDeletions:
        async with self._connect() as connection:
            return await deletion_reviews.load_pending_deletions(connection, run)

    @asynccontextmanager
    async def reader(self, run: Run) -> AsyncIterator[CadenceReader]:
        async with self._connect() as connection:
            yield CadenceReader(connection, run)

    @asynccontextmanager
    async def transaction(self, run: Run, listing: Listing) -> AsyncIterator[Transaction]:
        """Takes the organization's lock and advances its fence; raises `OrgBusyError` if the fence has moved."""
        async with _busy_if_locked(), self._connect() as connection:
            await connection.execute(LOCK_ORG, {"org_id": run.org_id})
            await runs.pass_fence(connection, run, listing)
            yield Transaction(connection, run, listing, self.alerting)

    async def finish_unchanged(self, run: Run, listing: Listing, usage: ApiUsage, finished_at: datetime) -> Counters:
        """Closes a run that found nothing to write; raises `OrgBusyError` if the fence has moved."""
        async with _busy_if_locked(), self._connect(autocommits=True) as connection:
            return await runs.finish_unchanged(connection, run, listing, usage, finished_at)

    async def fail(self, run: Run, problem: ErrorInfo, usage: ApiUsage, finished_at: datetime) -> None:
        async with self._connect() as connection:
            await runs.finish_run(connection, run, runs.failure_values(problem), usage, finished_at)
            if problem.code not in BENIGN_FAILURES:
                consecutive_failures = await runs.count_failure(connection, run)
                if consecutive_failures == self.alerting.failing_after:
                    await execute(connection, alert_outbox.run_entries(self.alerting, run, Event.FAILING))

    @asynccontextmanager
    async def _connect(self, *, autocommits: bool = False) -> AsyncIterator[AsyncConnection]:
        """Begins a transaction, or lets each statement be one of its own, which saves two round trips."""
        async with autocommit(self.engine) if autocommits else transaction(self.engine) as connection:
            if not self._checked:
                await check_migrated(connection)
                self._checked = True
            yield connection


@asynccontextmanager
async def _busy_if_locked() -> AsyncIterator[None]:
    """Raises `OrgBusyError` for a lock that was not acquired in time: another run writes the organization."""
    try:
        yield
    except DatabaseError as error:
        if error.code != "LOCKED":
            raise
        raise OrgBusyError("Another run is writing this organization.", hint="Sync again when it is done.") from error


async def _reserve_calls(connection: AsyncConnection, run: Run, budget: int) -> int:
    """Reserves calls for a run and returns their number; raises `BudgetError` where none are left."""
    await connection.execute(LOCK_ORG, {"org_id": run.org_id})
    mine = and_(sync_runs.c.org_id == run.org_id, sync_runs.c.started_at > run.started_at - DAY)
    used = await connection.scalar(select(SPENT).where(mine))
    left = budget - int(used or 0)
    if left <= 0:
        raise BudgetError(f"The {budget} API calls of this day are spent.")
    reserved = min(left, 10 * run.paging.pages + 50)  # enough with retries
    await connection.execute(
        update(sync_runs)
        .where(sync_runs.c.org_id == run.org_id, sync_runs.c.run_id == run.run_id)
        .values(reserved_calls=reserved)
    )
    return reserved
