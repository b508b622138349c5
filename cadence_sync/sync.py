"""The story of one sync, from Zoho's listing to the history in Postgres. Start reading here.

1. `begin`: the run is recorded and the organization's fence is read. No lock is held from here on.
2. `_fetch`: every page of the listing is fetched and decoded, and the pages are checked against each other.
   A record whose digest is stored is unchanged. Missing cadences are confirmed by a second check; then they are
   deleted, or held for review above the delete threshold.
3. `_apply`: the other records are compared field by field with what is stored. Versions, changes, current rows and
   the run's outcome are written in one transaction, behind the organization's lock and only if the fence has not
   moved. A failure at any step leaves no trace but a `failed` run.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from cadence_sync.core.deletions import (
    DeletionPlan,
    DeletionThreshold,
    may_be_other_org,
    needs_confirmation,
    other_org_error,
    plan_deletions,
)
from cadence_sync.core.diff import Kind, Plan, PriorState, plan_deleted, plan_listed
from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import BLOCK, CurrentState, Record
from cadence_sync.core.redact import redact_records
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report, outcome_of
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import log
from cadence_sync.ports import Actor, CadenceSource, Clock, Org, ProgressCallback, Run

if TYPE_CHECKING:
    from cadence_sync.db.store import CadenceReader, PostgresStore


@dataclass(frozen=True, slots=True)
class SyncOptions:
    threshold: DeletionThreshold = field(default_factory=DeletionThreshold)
    allow_mass_delete: bool = False
    allow_other_org: bool = False
    permitted_by: Actor | None = None
    """Who allows what the rules would hold or refuse."""


@dataclass(frozen=True, slots=True)
class Sync:
    org: Org
    source: CadenceSource
    store: "PostgresStore"
    clock: Clock
    on_progress: ProgressCallback | None = None
    options: SyncOptions = field(default_factory=SyncOptions)

    async def run(self, trigger: str) -> Report:
        """Syncs once; a failure is part of the report."""
        began = self.clock.monotonic()
        try:
            run = await self.store.begin(self.org, trigger, self.clock.now())
        except CadenceSyncError as error:
            return self._report(None, began, Counters(), error)
        try:
            counters = await self._apply(run, *await self._fetch(run))
        except CadenceSyncError as error:
            await self._close(run, error)
            return self._report(run.run_id, began, Counters(), error)
        except asyncio.CancelledError:
            await asyncio.shield(self._close(run, CadenceSyncError("The run was stopped.", code="INTERRUPTED")))
            raise
        except Exception as error:  # noqa: BLE001 - a defect is logged and closes its run
            log.exception("run_failed", org_id=run.org_id, run_id=run.run_id)
            unexpected = unexpected_error(error)
            await self._close(run, unexpected)
            return self._report(run.run_id, began, Counters(), unexpected)
        return self._report(run.run_id, began, counters)

    async def preview(self) -> Report:
        """Reports what a run would do, and writes nothing."""
        began = self.clock.monotonic()
        try:
            run = await self.store.preview(self.org, self.clock.now())
            listing, deletions = await self._fetch(run)
            kinds: Counter[Kind] = Counter()
            async with self.store.reader(run) as reader:
                async for plan in _plan_changes(run, listing, deletions, reader):
                    kinds.update(version.kind for version in plan.versions)
        except CadenceSyncError as error:
            return self._report(None, began, Counters(), error)
        return self._report(None, began, Counters.of(listing, deletions, kinds))

    async def _fetch(self, run: Run) -> tuple[Listing, DeletionPlan]:
        index = await self.store.load_digests(run.org_id)
        listing = await self.source.fetch_listing(run.paging, index, self.on_progress)
        await self._refuse_other_org(listing, index)
        return await self._review_deletions(run, listing, index)

    async def _refuse_other_org(self, listing: Listing, index: DigestIndex) -> None:
        if self.options.allow_other_org or not may_be_other_org(listing, index):
            return
        ids = chain((record.cadence_id for record in listing.changed), listing.quarantined_ids)
        if not await self.store.knows_any(self.org.org_id, ids):
            raise other_org_error()

    async def _review_deletions(self, run: Run, listing: Listing, index: DigestIndex) -> tuple[Listing, DeletionPlan]:
        """Plans the deletions once a second check has confirmed them; that check may bring a newer listing."""
        missing = listing.missing()
        if not missing and not run.has_pending_deletions:
            return listing, DeletionPlan()
        pending = await self.store.load_pending_deletions(run)
        doubtful = needs_confirmation(missing, pending)
        if doubtful:
            listing, gone = await self.source.confirm(listing, doubtful, run.paging, index)
            missing = sorted(set(listing.missing()) & (gone | pending.held | pending.rejected))
        return listing, plan_deletions(
            missing, len(index), pending, self.options.threshold, allow_all=self.options.allow_mass_delete
        )

    async def _apply(self, run: Run, listing: Listing, deletions: DeletionPlan) -> Counters:
        if listing.is_unchanged and not deletions and not run.has_pending_deletions:
            return await self.store.finish_unchanged(run, listing, self.source.usage, self.clock.now())
        async with self.store.transaction(run, listing) as tx:
            async for plan in _plan_changes(run, listing, deletions, tx):
                await tx.write(plan)
            if self.options.permitted_by is not None:
                permits = {name: getattr(self.options, name) for name in ("allow_mass_delete", "allow_other_org")}
                await tx.enter_permits(self.options.permitted_by, permits, deletions)
            return await tx.finish(deletions, self.source.usage, self.clock.now())

    async def _close(self, run: Run, error: CadenceSyncError) -> None:
        """Closes a failed run; where even that fails, a later run closes it as abandoned."""
        try:
            await self.store.fail(run, ErrorInfo.of(error), self.source.usage, self.clock.now())
        except CadenceSyncError as second:
            log.warning("run_close_failed", run_id=run.run_id, error=second.message)

    def _report(
        self, run_id: int | None, began: float, counters: Counters, error: CadenceSyncError | None = None
    ) -> Report:
        outcome = outcome_of(counters) if error is None else Outcome.FAILED
        seconds = round(self.clock.monotonic() - began, 6)
        info = None if error is None else ErrorInfo.of(error)
        return Report(self.org.org_id, run_id, outcome, counters, self.source.usage.api_calls, seconds, info)


async def _plan_changes(
    run: Run, listing: Listing, deletions: DeletionPlan, reader: "CadenceReader"
) -> AsyncIterator[Plan]:
    """Yields the plans of a listing, a block of cadences each, so that memory does not grow with its length.

    Each is made in a thread while the one before it is written, so that the database does not wait.
    """
    planned: Plan | None = None
    blocks = listing.changed.blocks()
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        known = await reader.load_stored([record.cadence_id for record in block])
        past = await reader.load_prior_state([r.cadence_id for r in block if r.cadence_id not in known])
        planning = asyncio.create_task(asyncio.to_thread(_plan_block, run, listing, block, known, past))
        planning.add_done_callback(_retrieve_error)
        if planned is not None:
            yield planned
        planned = await planning
    if planned is not None:
        yield planned
    for start in range(0, len(deletions.delete), BLOCK):
        missing = await reader.load_stored(deletions.delete[start : start + BLOCK])
        yield plan_deleted(listing, (missing[cadence_id] for cadence_id in sorted(missing)))


def _plan_block(
    run: Run, listing: Listing, block: list[Record], known: Mapping[str, CurrentState], past: PriorState
) -> Plan:
    records = redact_records(block, run.redacted) if run.redacted else block  # Zoho goes on sending their names
    return plan_listed(listing, records, known, past)


def _retrieve_error(planning: asyncio.Task[Plan]) -> None:
    """Keeps asyncio from logging an error whose text may hold anything, where the write before it failed too."""
    if not planning.cancelled():
        planning.exception()


def unexpected_error(error: Exception) -> CadenceSyncError:
    """Reports a defect without its text, which may hold anything: only the log has it."""
    hint = "Please report it with its traceback: the daemon's log has it, and `cadence-sync --debug sync` shows it."
    return CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=hint, code="UNEXPECTED")
