"""The story of one sync, from Zoho's listing to the history in Postgres. Start reading here.

1. `begin`: the run is entered in the ledger, and the store's fence is read. No lock is held from here on.
2. `listing`: every page of the listing is fetched and decoded, and the pages are checked against each other.
   A record whose digest is stored says nothing new. What is missing is looked for a second time; then it is
   to be deleted, or held until a person decides where it is too much at once.
3. `apply`: what differs is compared leaf by leaf with what is stored. Versions, changes, current rows and the
   run's outcome are written in one transaction, behind the organization's lock and only if the fence has not
   moved. Whatever goes wrong before leaves no trace but a `failed` row in the ledger.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from cadence_sync.core.canonical import load_state
from cadence_sync.core.deletions import (
    DeletionPlan,
    DeletionThreshold,
    may_be_other_org,
    needs_confirmation,
    other_org_error,
    plan_deletions,
)
from cadence_sync.core.diff import Plan, PriorState, plan_deleted, plan_listed
from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import BLOCK, Record, StoredCadence
from cadence_sync.core.redact import redact_records
from cadence_sync.core.report import CounterBuilder, Counters, ErrorInfo, Outcome, Report, outcome_of
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import log
from cadence_sync.ports import CadenceReader, CadenceSource, Clock, Org, ProgressCallback, Run, Store

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a run may do without asking: delete so many, or all; take another organization for this one."""

    threshold: DeletionThreshold = field(default_factory=DeletionThreshold)
    allow_mass_delete: bool = False
    allow_other_org: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """Syncs one organization from a source into a store."""

    org: Org
    source: CadenceSource
    store: Store
    clock: Clock
    on_progress: ProgressCallback | None = None
    options: SyncOptions = field(default_factory=SyncOptions)

    async def run(self, trigger: str) -> Report:
        """Run once and report; whatever goes wrong is part of the report."""
        began = self.clock.monotonic()
        try:
            run = await self.store.begin(self.org, trigger, self.clock.now())
        except CadenceSyncError as error:
            return self._failed(None, error, began)
        try:
            counters = await self._apply(run, *await self._fetch(run))
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
            listing, deletions = await self._fetch(run)
            tally = CounterBuilder()
            async with self.store.reading(run) as reader:
                async for plan in _plan_changes(run, listing, deletions, reader, lambda plan: plan):
                    tally.add(plan)
        except CadenceSyncError as error:
            return self._failed(None, error, began)
        return self._finished(None, tally.counters(listing, deletions), began)

    async def _fetch(self, run: Run) -> tuple[Listing, DeletionPlan]:
        """Fetch the listing, and decide about cadences that it lacks."""
        index = await self.store.load_digests(run.org_id)
        listing = await self.source.fetch_listing(run.paging, index, self.on_progress)
        if may_be_other_org(listing, index) and not self.options.allow_other_org:
            ids = chain((record.cadence_id for record in listing.changed), listing.quarantined_ids)
            if not await self.store.knows_any(run.org_id, ids):
                raise other_org_error()
        return await self._review_deletions(run, listing, index)

    async def _review_deletions(self, run: Run, listing: Listing, index: DigestIndex) -> tuple[Listing, DeletionPlan]:
        """Decide about the missing, once a second look has confirmed that they are gone."""
        absent = listing.missing()
        if not absent and not run.has_pending_deletions:
            return listing, DeletionPlan()
        pending = await self.store.load_pending_deletions(run)
        doubtful = needs_confirmation(absent, pending)
        if doubtful:
            listing, gone = await self.source.confirm(listing, doubtful, run.paging, index)
            absent = sorted(set(listing.missing()) & (gone | pending.held | pending.rejected))
        return listing, plan_deletions(
            absent, len(index), pending, self.options.threshold, allow_all=self.options.allow_mass_delete
        )

    async def _apply(self, run: Run, listing: Listing, deletions: DeletionPlan) -> Counters:
        tally = CounterBuilder()
        if listing.says_nothing_new and deletions == DeletionPlan() and not run.has_pending_deletions:
            counters = tally.counters(listing, deletions)
            await self.store.finish_unchanged(run, listing, counters, self.source.usage, self.clock.now())
            return counters
        async with self.store.writing(run, listing) as writer:
            plans = _plan_changes(run, listing, deletions, writer, lambda plan: (plan, writer.prepare(plan)))
            async for plan, write in plans:
                await write()
                tally.add(plan)
            counters = tally.counters(listing, deletions)
            await writer.finish(outcome_of(counters), counters, deletions, self.source.usage, self.clock.now())
        return counters

    async def _close(self, run: Run, error: CadenceSyncError) -> None:
        """Close a failed run; where even that fails, a later run closes it as abandoned."""
        try:
            await self.store.fail(run, ErrorInfo.of(error), self.source.usage, self.clock.now())
        except CadenceSyncError as second:
            log.warning("run_close_failed", run_id=run.run_id, error=second.message)

    def _finished(self, run_id: int | None, counters: Counters, began: float) -> Report:
        duration = round(self.clock.monotonic() - began, 6)
        calls = self.source.usage.api_calls
        return Report(self.org.org_id, run_id, outcome_of(counters), counters, calls, duration)

    def _failed(self, run_id: int | None, error: CadenceSyncError, began: float) -> Report:
        duration = round(self.clock.monotonic() - began, 6)
        calls = self.source.usage.api_calls
        return Report(self.org.org_id, run_id, Outcome.FAILED, Counters(), calls, duration, ErrorInfo.of(error))


async def _plan_changes(
    run: Run, listing: Listing, deletions: DeletionPlan, reader: CadenceReader, make: Callable[[Plan], Made]
) -> AsyncIterator[Made]:
    """Yield what is made of the plans, for so many cadences at a time that a long listing needs no more memory.

    The next one is made in a thread while the last one is written: the database works in the meantime.
    """
    blocks = listing.changed.blocks()
    if run.redacted:  # Zoho goes on sending their names
        blocks = (redact_records(block, run.redacted) for block in blocks)

    def step(
        block: list[Record], stored: Mapping[str, StoredCadence], past: PriorState
    ) -> tuple[Made, list[Record] | None]:
        known = {cadence_id: load_state(each) for cadence_id, each in stored.items()}
        return make(plan_listed(listing, block, known, past)), next(blocks, None)

    made: Made | None = None
    block = next(blocks, None)
    while block is not None:
        stored = await reader.load_stored([record.cadence_id for record in block])
        past = await reader.load_prior_state([s.cadence_id for s in block if s.cadence_id not in stored])
        upcoming = asyncio.create_task(asyncio.to_thread(step, block, stored, past))
        if made is not None:
            yield made
        made, block = await upcoming
    if made is not None:
        yield made
    for start in range(0, len(deletions.delete), BLOCK):
        missing = await reader.load_stored(deletions.delete[start : start + BLOCK])
        yield make(plan_deleted(listing, (load_state(missing[cadence_id]) for cadence_id in sorted(missing))))


def _unexpected(error: Exception) -> CadenceSyncError:
    """Return what is told of a defect; its text may hold anything, so only the log has it."""
    hint = "Please report it with its traceback: the daemon's log has it, and `cadence-sync --debug sync` shows it."
    return CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=hint, code="UNEXPECTED")
