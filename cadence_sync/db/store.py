"""The history in Postgres: reads what a run must know, and writes its plan in one transaction."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import RowMapping, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.diff import Past, Plan
from cadence_sync.core.document import from_document
from cadence_sync.core.guard import Docket
from cadence_sync.core.model import Known, Labels, Listing, Stored
from cadence_sync.core.report import Outcome, Problem
from cadence_sync.db import docket, ledger, writes
from cadence_sync.db.budget import allow
from cadence_sync.db.columns import CADENCE_LABELS
from cadence_sync.db.engine import our_errors
from cadence_sync.db.locks import LOCK_ORG
from cadence_sync.db.migrate import check_migrated
from cadence_sync.db.sets import any_of
from cadence_sync.db.tables import cadence_versions, cadences, orgs, quarantined_records
from cadence_sync.errors import BudgetError, DatabaseError, OrgBusyError
from cadence_sync.ports import Org, Run, Traffic


class PostgresStore:
    """Implements `ports.Store`; `lease` is the longest that a run lasts, in seconds, `budget` its API calls a day."""

    def __init__(self, engine: AsyncEngine, lease: float, budget: int | None = None) -> None:
        self._engine = engine
        self._lease = lease
        self._budget = budget
        self._checked = False

    async def begin(self, org: Org, trigger: str, started_at: datetime) -> Run:
        """Open a run in the ledger, closing those whose processes are gone."""
        async with self._connected() as connection:
            await ledger.close_abandoned(connection, org.org_id, started_at)
            run = await ledger.enter(connection, org, trigger, started_at, self._lease)
        return run if self._budget is None else await self._within_budget(run, self._budget)

    async def preview(self, org: Org, started_at: datetime) -> Run:
        """Return what `begin` would, as run 0, and write nothing."""
        async with self._connected() as connection:
            return await ledger.look(connection, org, started_at)

    async def stored(self, org_id: str) -> Stored:
        """Return the digests of all live cadences and the ids of the deleted ones."""
        columns = (cadences.c.cadence_id, cadences.c.digest, cadences.c.deleted_at.is_(None).label("live"))
        async with self._connected() as connection:
            rows = (await connection.execute(select(*columns).where(cadences.c.org_id == org_id))).all()
        live = {row.cadence_id: bytes(row.digest) for row in rows if row.live}
        return Stored(live, frozenset(row.cadence_id for row in rows if not row.live))

    async def known(self, org_id: str, cadence_ids: Collection[str]) -> Mapping[str, Known]:
        """Return the stored state of those of these cadences that exist."""
        if not cadence_ids:
            return {}
        versions = cadence_versions
        labels = (cadences.c[column] for column in CADENCE_LABELS)
        statement = (
            select(
                cadences.c.cadence_id, cadences.c.version, cadences.c.deleted_at, cadences.c.learnt,
                cadences.c.extra, versions.c.document, versions.c.valid_from, *labels,
            )
            .join(versions, and_(
                versions.c.org_id == cadences.c.org_id,
                versions.c.cadence_id == cadences.c.cadence_id,
                versions.c.version == cadences.c.version,
            ))
            .where(cadences.c.org_id == org_id, cadences.c.cadence_id == any_of(cadence_ids))
        )  # fmt: skip
        async with self._connected() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return {row["cadence_id"]: _known(row) for row in rows}

    async def docket(self, run: Run) -> Docket:
        """Return what is known of missing cadences from earlier runs, and how many were retired today."""
        async with self._connected() as connection:
            return await docket.read_docket(connection, run)

    async def past(self, run: Run, new_ids: Collection[str]) -> Past:
        """Return what earlier runs say of ids that the store does not know."""
        if not new_ids or run.last_walk is None:
            return Past(run.last_walk)
        records = quarantined_records
        met = select(records.c.cadence_id).where(
            records.c.org_id == run.org_id, records.c.cadence_id == any_of(new_ids)
        )
        async with self._connected() as connection:
            quarantined = frozenset((await connection.scalars(met.distinct())).all())
            hid = await connection.scalar(select(orgs.c.hid_ids).where(orgs.c.org_id == run.org_id))
        return Past(run.last_walk, quarantined, hid_ids=bool(hid))

    async def apply(
        self,
        run: Run,
        listing: Listing,
        plan: Plan,
        outcome: Outcome,
        traffic: Traffic,
        finished_at: datetime,
    ) -> None:
        """Write a plan and close the run, in one transaction; raises `OrgBusyError` if the fence moved."""
        async with _busy_if_locked(), self._connected() as connection:
            await connection.execute(LOCK_ORG, {"org_id": run.org_id})
            await self._pass_fence(connection, run, listing)
            await ledger.close(connection, run, outcome, traffic, finished_at, plan)
            await writes.write_plan(connection, run, listing, plan)
            await docket.write_docket(connection, run, plan, listing.started_at)

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
            await ledger.close(connection, run, Outcome.FAILED, traffic, finished_at, problem=problem)

    async def _pass_fence(self, connection: AsyncConnection, run: Run, listing: Listing) -> None:
        """Move the fence that the run read at its start; a fence that has moved means an older view of Zoho."""
        passed = await connection.execute(
            update(orgs)
            .where(orgs.c.org_id == run.org_id, orgs.c.fence == run.fence)
            .values(
                fence=orgs.c.fence + 1,
                last_walk_at=listing.started_at,
                last_pages=listing.pages,
                refused_per_page=listing.refused_per_page,
                hid_ids=listing.hides_ids,
            )
        )
        if passed.rowcount != 1:
            raise OrgBusyError(
                "Another run wrote this organisation since this one began.",
                hint="Its view of Zoho is the newer one.",
            )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that commits at the end; the schema is checked once."""
        with our_errors():
            async with self._engine.begin() as connection:
                if not self._checked:
                    await check_migrated(connection)
                    self._checked = True
                yield connection


@asynccontextmanager
async def _busy_if_locked() -> AsyncIterator[None]:
    """A lock that is not to be had in time is another writer of the same organisation."""
    try:
        yield
    except DatabaseError as error:
        if error.code != "LOCKED":
            raise
        raise OrgBusyError("Another run is writing this organisation.", hint="Sync again when it is done.") from error


def _known(row: RowMapping) -> Known:
    labels: Labels = {path: row[column] for column, path in CADENCE_LABELS.items()}
    return Known(
        row["cadence_id"],
        row["version"],
        deleted=row["deleted_at"] is not None,
        valid_from=row["valid_from"],
        config=from_document(row["document"]) | row["learnt"],
        labels=labels,
        extra=row["extra"],
    )
