"""One transaction of a run: reads single cadences and writes plans."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Label, and_, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.canonical import from_document
from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.diff import Kind, Plan, PriorState
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import CurrentState
from cadence_sync.core.report import Counters
from cadence_sync.db import alert_outbox, runs, writes
from cadence_sync.db.bulk import any_of, execute
from cadence_sync.db.columns import CADENCE_LABELS
from cadence_sync.db.deletion_reviews import save_held_deletions
from cadence_sync.db.tables.history import cadence_versions, cadences, discovered_fields
from cadence_sync.db.tables.running import quarantined_records
from cadence_sync.ports import ApiUsage, Run


@dataclass(frozen=True, slots=True)
class CadenceReader:
    """Reads what earlier runs stored of single cadences."""

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
                versions.c.document, _discovered(), cadences.c.extra, *(cadences.c[label] for label in CADENCE_LABELS),
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


def _discovered() -> Label[Any]:
    """Selects the fields discovered since a cadence's open version began, as one JSON object or null."""
    fields = discovered_fields.c
    found = select(func.jsonb_object_agg(fields.field, fields.value, type_=JSONB))
    of_version = (fields[name] == cadences.c[name] for name in ("org_id", "cadence_id", "version"))
    return found.where(*of_version).scalar_subquery().label("discovered")


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

    async def finish(self, deletions: DeletionPlan, usage: ApiUsage, finished_at: datetime) -> Counters:
        """Closes the run and stores its held deletions; raises `OrgBusyError` where another process closed it."""
        counters = Counters.of(self.listing, deletions, self.kinds)
        await execute(self.connection, writes.quarantine(self.run, self.listing))
        values = runs.success_values(self.run, counters, deletions)
        await runs.finish_run(self.connection, self.run, values, usage, finished_at)
        if self.alerting.rules and counters.versions > alert_outbox.FLOOD:
            await alert_outbox.coalesce(self.connection, self.run)
        await execute(self.connection, alert_outbox.hold_entries(self.alerting, self.run, deletions))
        await save_held_deletions(self.connection, self.run, deletions, self.listing.started_at)
        return counters
