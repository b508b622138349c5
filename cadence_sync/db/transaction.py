"""One transaction of a run: what it reads of single cadences, and how it writes them."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Label, Text, and_, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.alerts import Alerting
from cadence_sync.core.diff import Past, Plan
from cadence_sync.core.guard import Verdict
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Stored
from cadence_sync.core.report import Counters, Outcome
from cadence_sync.db import ledger, outbox, writes
from cadence_sync.db.columns import CADENCE_LABELS
from cadence_sync.db.docket import write_docket
from cadence_sync.db.sets import any_of, send
from cadence_sync.db.tables import cadence_versions, cadences, discovered_fields, quarantined_records
from cadence_sync.ports import Run, Traffic


@dataclass(frozen=True, slots=True)
class PostgresReader:
    """Implements `ports.Reader`."""

    connection: AsyncConnection
    run: Run

    async def stored(self, cadence_ids: Collection[str]) -> Mapping[str, Stored]:
        """Return the stored state of those of these cadences that exist."""
        if not cadence_ids:
            return {}
        versions = cadence_versions
        labels = (cadences.c[column] for column in CADENCE_LABELS)
        statement = (
            select(
                cadences.c.cadence_id, cadences.c.version, cadences.c.deleted_at.is_not(None), versions.c.valid_from,
                cast(versions.c.document, Text), _learnt(), cast(cadences.c.extra, Text), *labels,
            )
            .join(versions, and_(
                versions.c.org_id == cadences.c.org_id,
                versions.c.cadence_id == cadences.c.cadence_id,
                versions.c.version == cadences.c.version,
            ))
            .where(cadences.c.org_id == self.run.org_id, cadences.c.cadence_id == any_of(cadence_ids))
        )  # fmt: skip
        rows = (await self.connection.execute(statement)).all()
        first = len(Stored._fields) - 1  # the labels come last
        labeled = ((row[:first], dict(zip(CADENCE_LABELS.values(), row[first:], strict=True))) for row in rows)
        return {values[0]: Stored._make([*values, named]) for values, named in labeled}

    async def past(self, new_ids: Collection[str]) -> Past:
        """Return what earlier runs say of ids that the store does not know."""
        if not new_ids or self.run.last_walk is None:
            return Past(self.run.last_walk)
        records = quarantined_records
        met = select(records.c.cadence_id).where(
            records.c.org_id == self.run.org_id, records.c.cadence_id == any_of(new_ids)
        )
        quarantined = frozenset((await self.connection.scalars(met.distinct())).all())
        return Past(self.run.last_walk, quarantined, had_unreadable_ids=self.run.had_unreadable_ids)


def _learnt() -> Label[str]:
    """Return what became known of a cadence since its open version began, as the text of one JSON object."""
    fields = discovered_fields.c
    found = select(cast(func.coalesce(func.jsonb_object_agg(fields.field, fields.value), text("'{}'")), Text))
    of_version = (fields[name] == cadences.c[name] for name in ("org_id", "cadence_id", "version"))
    return found.where(*of_version).scalar_subquery().label("learnt")


@dataclass(frozen=True, slots=True)
class PostgresWriter(PostgresReader):
    """Implements `ports.Writer`, behind the organization's lock and its fence."""

    listing: Listing
    alerting: Alerting

    def writing(self, plan: Plan) -> Callable[[], Awaitable[None]]:
        """Make the rows of a plan, and return what writes them; a run may have many."""
        made = [*writes.plan_writes(self.run, self.listing, plan), *outbox.of_plan(self.alerting, self.run, plan)]
        return lambda: send(self.connection, made)

    async def close(
        self, outcome: Outcome, counters: Counters, verdict: Verdict, traffic: Traffic, finished_at: datetime
    ) -> None:
        """Close the run in the ledger, and note which deletions are held."""
        await send(self.connection, writes.quarantine(self.run, self.listing))
        told = ledger.written(self.run, counters, verdict)
        await ledger.close(self.connection, self.run, outcome, traffic, finished_at, told)
        if self.alerting.rules and counters.versions > outbox.FLOOD:
            await outbox.share(self.connection, self.run)
        await send(self.connection, outbox.of_verdict(self.alerting, self.run, verdict))
        await write_docket(self.connection, self.run, verdict, self.listing.started_at)
