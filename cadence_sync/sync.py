"""The story of one sync, from Zoho's listing to the history in Postgres. Start reading here.

1. `begin`: the run is entered in the ledger, and the store's fence is read. No lock is held from here on.
2. `walk`: every page of the listing is fetched and decoded, and the pages are checked against each other.
3. `diff`: what differs from the stored digests is compared leaf by leaf. What is missing is looked for a
   second time; then it is retired, or held until a person decides where it is too much at once.
4. `apply`: versions, changes, current rows and the run's outcome are written in one transaction, behind
   the organisation's lock and only if the fence has not moved. Whatever goes wrong before leaves no trace
   but a `failed` row in the ledger.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from cadence_sync.core.diff import Plan, differing, make_plan, missing
from cadence_sync.core.guard import Brake, Verdict, check_org, judge, unconfirmed
from cadence_sync.core.model import Listing, Stored
from cadence_sync.core.report import Counters, Outcome, Problem, Report, outcome_of
from cadence_sync.errors import CadenceSyncError
from cadence_sync.ports import CadenceSource, Clock, OnPage, Org, Run, Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Permits:
    """What a run may do without asking: retire so many, or all; take another organisation for this one."""

    brake: Brake = field(default_factory=Brake)
    mass_delete: bool = False
    other_org: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """Syncs one organisation from a source into a store."""

    org: Org
    source: CadenceSource
    store: Store
    clock: Clock
    on_page: OnPage | None = None
    permits: Permits = field(default_factory=Permits)

    async def run(self, trigger: str) -> Report:
        """Run once and report; whatever goes wrong is part of the report."""
        began = self.clock.monotonic()
        try:
            run = await self.store.begin(self.org, trigger, self.clock.now())
        except CadenceSyncError as error:
            return self._failed(None, error, began)
        try:
            listing, plan = await self._look(run)
            outcome = outcome_of(Counters.of(plan))
            await self.store.apply(run, listing, plan, outcome, self.source.traffic, self.clock.now())
        except CadenceSyncError as error:
            await self._close(run, error)
            return self._failed(run.run_id, error, began)
        except asyncio.CancelledError:
            await asyncio.shield(self._close(run, CadenceSyncError("The run was stopped.", code="INTERRUPTED")))
            raise
        except Exception as error:
            log.exception("run_failed", org_id=run.org_id, run_id=run.run_id)
            unexpected = _unexpected(error)
            await self._close(run, unexpected)
            return self._failed(run.run_id, unexpected, began)
        return self._finished(run.run_id, outcome, plan, began)

    async def preview(self) -> Report:
        """Say what a run would do, and write nothing."""
        began = self.clock.monotonic()
        try:
            run = await self.store.preview(self.org, self.clock.now())
            _, plan = await self._look(run)
        except CadenceSyncError as error:
            return self._failed(None, error, began)
        return self._finished(None, outcome_of(Counters.of(plan)), plan, began)

    async def _look(self, run: Run) -> tuple[Listing, Plan]:
        """Walk the listing and decide what it says beside what is stored."""
        listing = await self.source.walk(run.hint, self.on_page)
        stored = await self.store.stored(run.org_id)
        if not self.permits.other_org:
            check_org(listing, stored)
        listing, verdict = await self._judge(run, listing, stored)
        sighted = differing(listing, stored)
        known = await self.store.known(run.org_id, [*(s.cadence_id for s in sighted), *verdict.retire])
        new_ids = [s.cadence_id for s in sighted if s.cadence_id not in known]
        past = await self.store.past(run, new_ids)
        return listing, make_plan(listing, sighted, verdict, known, past)

    async def _judge(self, run: Run, listing: Listing, stored: Stored) -> tuple[Listing, Verdict]:
        """Decide about cadences that the listing lacks, once a second look has confirmed that they are gone."""
        absent = missing(listing, stored)
        if not absent and not run.has_docket:
            return listing, Verdict()
        docket = await self.store.docket(run)
        doubtful = unconfirmed(absent, docket)
        if doubtful:
            listing, gone = await self.source.confirm(listing, doubtful, run.hint)
            absent = sorted(set(missing(listing, stored)) & (gone | docket.held | docket.rejected))
        live = len(stored.digests)
        return listing, judge(absent, live, docket, self.permits.brake, allow_all=self.permits.mass_delete)

    async def _close(self, run: Run, error: CadenceSyncError) -> None:
        """Close a failed run; where even that fails, a later run closes it as abandoned."""
        try:
            await self.store.fail(run, Problem.of(error), self.source.traffic, self.clock.now())
        except CadenceSyncError as second:
            log.warning("run_not_closed", run_id=run.run_id, error=second.message)

    def _finished(self, run_id: int | None, outcome: Outcome, plan: Plan, began: float) -> Report:
        duration = round(self.clock.monotonic() - began, 6)
        counters = Counters.of(plan)
        return Report(self.org.org_id, run_id, outcome, counters, self.source.traffic.api_calls, duration)

    def _failed(self, run_id: int | None, error: CadenceSyncError, began: float) -> Report:
        duration = round(self.clock.monotonic() - began, 6)
        calls = self.source.traffic.api_calls
        return Report(self.org.org_id, run_id, Outcome.FAILED, Counters(), calls, duration, Problem.of(error))


def _unexpected(error: Exception) -> CadenceSyncError:
    """Return what is told of a defect; its text may hold anything, so only the log has it."""
    hint = "Please report it with the traceback from the log."
    return CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=hint, code="UNEXPECTED")
