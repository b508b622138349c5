"""The history in Postgres: reads what a run must know, and writes its plan in one transaction."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.alerts import Alerting, Event
from cadence_sync.core.guard import Docket, Verdict
from cadence_sync.core.index import Index
from cadence_sync.core.listing import Listing
from cadence_sync.core.report import Counters, Outcome, Problem, outcome_of
from cadence_sync.core.sightings import BLOCK
from cadence_sync.db import docket, ledger, outbox
from cadence_sync.db.budget import allow
from cadence_sync.db.engine import our_errors
from cadence_sync.db.locks import LOCK_ORG
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.sets import any_of, send
from cadence_sync.db.tables import cadences
from cadence_sync.db.transaction import PostgresReader, PostgresWriter
from cadence_sync.errors import BudgetError, DatabaseError, OrgBusyError
from cadence_sync.ports import Org, Run, Traffic

NOBODYS_FAULT: Final = {"ORG_BUSY", "INTERRUPTED"}
"""Failures that say nothing about an organization: another run was first, or somebody stopped this one."""

_INDEX: Final = text("""
    SELECT string_agg(digest, '') AS digests, string_agg(cadence_id, '') AS ids,
        array_agg(length(cadence_id)) AS lengths,
        (SELECT count(*) FROM cadence_sync.cadences WHERE org_id = :org_id AND deleted_at IS NOT NULL) AS deleted
    FROM (
        SELECT digest, cadence_id FROM cadence_sync.cadences
        WHERE org_id = :org_id AND deleted_at IS NULL
    ) AS live
""")


class PostgresStore:
    """Implements `ports.Store`; `lease` is the longest that a run lasts, in seconds, `budget` its API calls a day.

    What `alerting` asks for is entered in the outbox in the transaction that writes it.
    """

    def __init__(
        self, engine: AsyncEngine, lease: float, budget: int | None = None, alerting: Alerting | None = None
    ) -> None:
        self._engine = engine
        self._lease = lease
        self._budget = budget
        self._alerting = alerting or Alerting()
        self._checked = False

    async def begin(self, org: Org, trigger: str, started_at: datetime) -> Run:
        """Open a run in the ledger, closing those whose processes are gone."""
        async with self._alone() as connection:
            run = await ledger.enter(connection, org, trigger, started_at, self._lease)
        return run if self._budget is None else await self._within_budget(run, self._budget)

    async def preview(self, org: Org, started_at: datetime) -> Run:
        """Return what `begin` would, as run 0, and write nothing."""
        async with self._connected() as connection:
            return await ledger.look(connection, org, started_at)

    async def index(self, org_id: str) -> Index:
        """Return the digests of all live cadences, in one row: a million rows would take ten times the memory."""
        async with self._alone() as connection:
            row = (await connection.execute(_INDEX, {"org_id": org_id})).one()
        return Index(row.digests or b"", row.ids or "", row.lengths or (), row.deleted)

    async def knows_any(self, org_id: str, cadence_ids: Iterable[str]) -> bool:
        """Whether any of these cadences is stored, live or deleted."""
        ids = iter(cadence_ids)
        async with self._connected() as connection:
            while block := list(islice(ids, BLOCK)):
                stored = exists().where(cadences.c.org_id == org_id, cadences.c.cadence_id == any_of(block))
                if await connection.scalar(select(stored)):
                    return True
        return False

    async def docket(self, run: Run) -> Docket:
        """Return what is known of missing cadences from earlier runs, and how many were retired today."""
        async with self._connected() as connection:
            return await docket.read_docket(connection, run)

    @asynccontextmanager
    async def reading(self, run: Run) -> AsyncIterator[PostgresReader]:
        """Read what a run must know, and write nothing."""
        async with self._connected() as connection:
            yield PostgresReader(connection, run)

    @asynccontextmanager
    async def writing(self, run: Run, listing: Listing) -> AsyncIterator[PostgresWriter]:
        """Write a run in one transaction; raises `OrgBusyError` if the fence moved."""
        async with _busy_if_locked(), self._connected() as connection:
            await connection.execute(LOCK_ORG, {"org_id": run.org_id})
            await _pass_fence(connection, run, listing)
            yield PostgresWriter(connection, run, listing, self._alerting)

    async def settle(
        self, run: Run, listing: Listing, counters: Counters, traffic: Traffic, finished_at: datetime
    ) -> None:
        """Close a run that has nothing else to write; raises `OrgBusyError` if the fence moved."""
        told = ledger.written(run, counters, Verdict())
        async with _busy_if_locked(), self._alone() as connection:
            await ledger.settle(connection, run, listing, outcome_of(counters), traffic, finished_at, told)

    async def _within_budget(self, run: Run, budget: int) -> Run:
        """Reserve calls for a run that is in the ledger; one for which none are left is closed as failed."""
        try:
            async with self._connected() as connection:
                allowance = await allow(connection, run, budget)
        except BudgetError as error:
            await self.fail(run, Problem.of(error), Traffic(), run.started_at)
            raise
        return replace(run, hint=replace(run.hint, allowance=allowance))

    async def fail(self, run: Run, problem: Problem, traffic: Traffic, finished_at: datetime) -> None:
        """Close a run that applied nothing."""
        async with self._connected() as connection:
            await ledger.close(connection, run, Outcome.FAILED, traffic, finished_at, ledger.failed(problem))
            if problem.code not in NOBODYS_FAULT:
                consecutive_failures = await ledger.count_failure(connection, run)
                if consecutive_failures == self._alerting.failing_after:
                    await send(connection, outbox.of_run(self._alerting, run, Event.FAILING))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that commits at the end."""
        with our_errors():
            async with self._engine.begin() as connection:
                await self._check(connection)
                yield connection

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection on which each statement is a transaction of its own: that saves two round trips."""
        with our_errors():
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await self._check(connection)
                yield connection

    async def _check(self, connection: AsyncConnection) -> None:
        """Refuse another schema; asked once."""
        if not self._checked:
            await check_migrated(connection)
            self._checked = True


@asynccontextmanager
async def _busy_if_locked() -> AsyncIterator[None]:
    """A lock that is not to be had in time is another writer of the same organization."""
    try:
        yield
    except DatabaseError as error:
        if error.code != "LOCKED":
            raise
        raise OrgBusyError("Another run is writing this organization.", hint="Sync again when it is done.") from error


async def _pass_fence(connection: AsyncConnection, run: Run, listing: Listing) -> None:
    """Move the fence that the run read at its start; a fence that has moved means an older view of Zoho."""
    passed = await connection.execute(ledger.passing(run, listing))
    if passed.rowcount != 1:
        raise ledger.overtaken()
