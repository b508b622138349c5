"""One transaction of a run: what it reads of single cadences, and how it writes them."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Label, Text, and_, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.deletions import DeletionPlan
from cadence_sync.core.diff import Plan, PriorState
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import StoredCadence
from cadence_sync.core.report import Counters, Outcome
from cadence_sync.db import alert_outbox, runs, writes
from cadence_sync.db.bulk import any_of, execute
from cadence_sync.db.columns import CADENCE_LABELS
from cadence_sync.db.deletion_reviews import save_held_deletions
from cadence_sync.db.tables import cadence_versions, cadences, discovered_fields, quarantined_records
from cadence_sync.ports import ApiUsage, Run


@dataclass(frozen=True, slots=True)
class PostgresReader:
    """Implements `ports.CadenceReader`."""

    connection: AsyncConnection
    run: Run

    async def load_stored(self, cadence_ids: Collection[str]) -> Mapping[str, StoredCadence]:
        """Return the stored state of those of these cadences that exist."""
        if not cadence_ids:
            return {}
        versions = cadence_versions
        labels = (cadences.c[column] for column in CADENCE_LABELS)
        statement = (
            select(
                cadences.c.cadence_id, cadences.c.version, cadences.c.deleted_at.is_not(None), versions.c.valid_from,
                cast(versions.c.document, Text), _discovered(), cast(cadences.c.extra, Text), *labels,
            )
            .join(versions, and_(
                versions.c.org_id == cadences.c.org_id,
                versions.c.cadence_id == cadences.c.cadence_id,
                versions.c.version == cadences.c.version,
            ))
            .where(cadences.c.org_id == self.run.org_id, cadences.c.cadence_id == any_of(cadence_ids))
        )  # fmt: skip
        rows = (await self.connection.execute(statement)).all()
        first = len(StoredCadence._fields) - 1  # the labels come last
        labeled = ((row[:first], dict(zip(CADENCE_LABELS.values(), row[first:], strict=True))) for row in rows)
        return {values[0]: StoredCadence._make([*values, named]) for values, named in labeled}

    async def load_prior_state(self, new_ids: Collection[str]) -> PriorState:
        """Return what earlier runs say of ids that the store does not know."""
        if not new_ids or self.run.last_listed_at is None:
            return PriorState(self.run.last_listed_at)
        records = quarantined_records
        met = select(records.c.cadence_id).where(
            records.c.org_id == self.run.org_id, records.c.cadence_id == any_of(new_ids)
        )
        quarantined = frozenset((await self.connection.scalars(met.distinct())).all())
        return PriorState(self.run.last_listed_at, quarantined, had_unreadable_ids=self.run.had_unreadable_ids)


def _discovered() -> Label[str]:
    """Return what became known of a cadence since its open version began, as the text of one JSON object."""
    fields = discovered_fields.c
    found = select(cast(func.coalesce(func.jsonb_object_agg(fields.field, fields.value), text("'{}'")), Text))
    of_version = (fields[name] == cadences.c[name] for name in ("org_id", "cadence_id", "version"))
    return found.where(*of_version).scalar_subquery().label("discovered")


@dataclass(frozen=True, slots=True)
class PostgresWriter(PostgresReader):
    """Implements `ports.CadenceWriter`, behind the organization's lock and its fence."""

    listing: Listing
    alerting: AlertRouting

    def prepare(self, plan: Plan) -> Callable[[], Awaitable[None]]:
        """Make the rows of a plan, and return what writes them; a run may have many."""
        made = [
            *writes.plan_writes(self.run, self.listing, plan),
            *alert_outbox.plan_entries(self.alerting, self.run, plan),
        ]
        return lambda: execute(self.connection, made)

    async def finish(
        self, outcome: Outcome, counters: Counters, deletions: DeletionPlan, usage: ApiUsage, finished_at: datetime
    ) -> None:
        """Close the run in the ledger, and note which deletions are held."""
        await execute(self.connection, writes.quarantine(self.run, self.listing))
        values = runs.success_values(self.run, counters, deletions)
        await runs.finish_run(self.connection, self.run, outcome, usage, finished_at, values)
        if self.alerting.rules and counters.versions > alert_outbox.FLOOD:
            await alert_outbox.coalesce(self.connection, self.run)
        await execute(self.connection, alert_outbox.hold_entries(self.alerting, self.run, deletions))
        await save_held_deletions(self.connection, self.run, deletions, self.listing.started_at)
