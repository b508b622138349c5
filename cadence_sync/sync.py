"""The story of one sync, from Zoho's listing to the history in Postgres. Start reading here.

1. `begin`: the run is entered in the ledger, and the store's fence is read. No lock is held from here on.
2. `walk`: every page of the listing is fetched and decoded, and the pages are checked against each other.
   A record whose digest is stored says nothing new. What is missing is looked for a second time; then it is
   to be retired, or held until a person decides where it is too much at once.
3. `apply`: what differs is compared leaf by leaf with what is stored. Versions, changes, current rows and the
   run's outcome are written in one transaction, behind the organization's lock and only if the fence has not
   moved. Whatever goes wrong before leaves no trace but a `failed` row in the ledger.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from cadence_sync.core.diff import Past, Plan, plan_deleted, plan_sighted
from cadence_sync.core.document import known_of
from cadence_sync.core.guard import Brake, Verdict, judge, may_be_other_org, other_org, unconfirmed
from cadence_sync.core.index import Index
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Sighting, Stored
from cadence_sync.core.redact import redact_sightings
from cadence_sync.core.report import Counters, Outcome, Problem, Report, Tally, outcome_of
from cadence_sync.core.sightings import BLOCK
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import log
from cadence_sync.ports import CadenceSource, Clock, OnPage, Org, Reader, Run, Store

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Permits:
    """What a run may do without asking: retire so many, or all; take another organization for this one."""

    brake: Brake = field(default_factory=Brake)
    mass_delete: bool = False
    other_org: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """Syncs one organization from a source into a store."""

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
            counters = await self._apply(run, *await self._look(run))
        except CadenceSyncError as error:
            await self._close(run, error)
            return self._failed(run.run_id, error, began)
        except asyncio.CancelledError:
            await asyncio.shield(self._close(run, CadenceSyncError("The run was stopped.", code="INTERRUPTED")))
            raise
        except Exception as error:  # noqa: BLE001 - a defect is logged and closes its run
            log.exception("run_failed", org_id=run.org_id, run_id=run.run_id)
            unexpected = _unexpected(error)
            await self._close(run, unexpected)
            return self._failed(run.run_id, unexpected, began)
        return self._finished(run.run_id, counters, began)

    async def preview(self) -> Report:
        """Say what a run would do, and write nothing."""
        began = self.clock.monotonic()
        try:
            run = await self.store.preview(self.org, self.clock.now())
            listing, verdict = await self._look(run)
            tally = Tally()
            async with self.store.reading(run) as reader:
                async for plan in _plans(run, listing, verdict, reader, lambda plan: plan):
                    tally.add(plan)
        except CadenceSyncError as error:
            return self._failed(None, error, began)
        return self._finished(None, tally.counters(listing, verdict), began)

    async def _look(self, run: Run) -> tuple[Listing, Verdict]:
        """Walk the listing, and decide about cadences that it lacks."""
        index = await self.store.index(run.org_id)
        listing = await self.source.walk(run.hint, index, self.on_page)
        if may_be_other_org(listing, index) and not self.permits.other_org:
            ids = chain((sighting.cadence_id for sighting in listing.changed), listing.quarantined_ids)
            if not await self.store.knows_any(run.org_id, ids):
                raise other_org()
        return await self._judge(run, listing, index)

    async def _judge(self, run: Run, listing: Listing, index: Index) -> tuple[Listing, Verdict]:
        """Decide about the missing, once a second look has confirmed that they are gone."""
        absent = listing.missing()
        if not absent and not run.has_docket:
            return listing, Verdict()
        docket = await self.store.docket(run)
        doubtful = unconfirmed(absent, docket)
        if doubtful:
            listing, gone = await self.source.confirm(listing, doubtful, run.hint, index)
            absent = sorted(set(listing.missing()) & (gone | docket.held | docket.rejected))
        return listing, judge(absent, len(index), docket, self.permits.brake, allow_all=self.permits.mass_delete)

    async def _apply(self, run: Run, listing: Listing, verdict: Verdict) -> Counters:
        tally = Tally()
        if listing.says_nothing_new and verdict == Verdict() and not run.has_docket:
            counters = tally.counters(listing, verdict)
            await self.store.settle(run, listing, counters, self.source.traffic, self.clock.now())
            return counters
        async with self.store.writing(run, listing) as writer:
            plans = _plans(run, listing, verdict, writer, lambda plan: (plan, writer.writing(plan)))
            async for plan, write in plans:
                await write()
                tally.add(plan)
            counters = tally.counters(listing, verdict)
            await writer.close(outcome_of(counters), counters, verdict, self.source.traffic, self.clock.now())
        return counters

    async def _close(self, run: Run, error: CadenceSyncError) -> None:
        """Close a failed run; where even that fails, a later run closes it as abandoned."""
        try:
            await self.store.fail(run, Problem.of(error), self.source.traffic, self.clock.now())
        except CadenceSyncError as second:
            log.warning("run_close_failed", run_id=run.run_id, error=second.message)

    def _finished(self, run_id: int | None, counters: Counters, began: float) -> Report:
        duration = round(self.clock.monotonic() - began, 6)
        calls = self.source.traffic.api_calls
        return Report(self.org.org_id, run_id, outcome_of(counters), counters, calls, duration)

    def _failed(self, run_id: int | None, error: CadenceSyncError, began: float) -> Report:
        duration = round(self.clock.monotonic() - began, 6)
        calls = self.source.traffic.api_calls
        return Report(self.org.org_id, run_id, Outcome.FAILED, Counters(), calls, duration, Problem.of(error))


async def _plans(
    run: Run, listing: Listing, verdict: Verdict, reader: Reader, make: Callable[[Plan], Made]
) -> AsyncIterator[Made]:
    """Yield what is made of the plans, for so many cadences at a time that a long listing needs no more memory.

    The next one is made in a thread while the last one is written: the database works in the meantime.
    """
    blocks = listing.changed.blocks()
    if run.redacted:  # Zoho goes on sending their names
        blocks = (redact_sightings(block, run.redacted) for block in blocks)

    def step(block: list[Sighting], stored: Mapping[str, Stored], past: Past) -> tuple[Made, list[Sighting] | None]:
        known = {cadence_id: known_of(each) for cadence_id, each in stored.items()}
        return make(plan_sighted(listing, block, known, past)), next(blocks, None)

    made: Made | None = None
    block = next(blocks, None)
    while block is not None:
        stored = await reader.stored([sighting.cadence_id for sighting in block])
        past = await reader.past([s.cadence_id for s in block if s.cadence_id not in stored])
        upcoming = asyncio.create_task(asyncio.to_thread(step, block, stored, past))
        if made is not None:
            yield made
        made, block = await upcoming
    if made is not None:
        yield made
    for start in range(0, len(verdict.retire), BLOCK):
        retired = await reader.stored(verdict.retire[start : start + BLOCK])
        yield make(plan_deleted(listing, (known_of(retired[cadence_id]) for cadence_id in sorted(retired))))


def _unexpected(error: Exception) -> CadenceSyncError:
    """Return what is told of a defect; its text may hold anything, so only the log has it."""
    hint = "Please report it with its traceback: the daemon's log has it, and `cadence-sync --debug sync` shows it."
    return CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=hint, code="UNEXPECTED")
