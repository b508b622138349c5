"""One transaction of a run: what it reads of single cadences, and how it writes them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.diff import Past, Plan
from cadence_sync.core.document import from_document
from cadence_sync.core.guard import Verdict
from cadence_sync.core.listing import Listing
from cadence_sync.core.model import Known, Labels
from cadence_sync.core.report import Counters, Outcome
from cadence_sync.db import ledger, writes
from cadence_sync.db.columns import CADENCE_LABELS
from cadence_sync.db.docket import write_docket
from cadence_sync.db.sets import any_of
from cadence_sync.db.tables import cadence_versions, cadences, quarantined_records
from cadence_sync.ports import Run, Traffic


@dataclass(frozen=True, slots=True)
class PostgresReader:
    """Implements `ports.Reader`."""

    connection: AsyncConnection
    run: Run

    async def known(self, cadence_ids: Collection[str]) -> Mapping[str, Known]:
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
            .where(cadences.c.org_id == self.run.org_id, cadences.c.cadence_id == any_of(cadence_ids))
        )  # fmt: skip
        rows = (await self.connection.execute(statement)).mappings().all()
        return {row["cadence_id"]: _known(row) for row in rows}

    async def past(self, new_ids: Collection[str]) -> Past:
        """Return what earlier runs say of ids that the store does not know."""
        if not new_ids or self.run.last_walk is None:
            return Past(self.run.last_walk)
        records = quarantined_records
        met = select(records.c.cadence_id).where(
            records.c.org_id == self.run.org_id, records.c.cadence_id == any_of(new_ids)
        )
        quarantined = frozenset((await self.connection.scalars(met.distinct())).all())
        return Past(self.run.last_walk, quarantined, hid_ids=self.run.hid_ids)


@dataclass(frozen=True, slots=True)
class PostgresWriter(PostgresReader):
    """Implements `ports.Writer`, behind the organisation's lock and its fence."""

    listing: Listing

    async def write(self, plan: Plan) -> None:
        """Write a plan; a run may have many."""
        await writes.write_plan(self.connection, self.run, self.listing, plan)

    async def close(
        self, outcome: Outcome, counters: Counters, verdict: Verdict, traffic: Traffic, finished_at: datetime
    ) -> None:
        """Close the run in the ledger, and note which deletions are held."""
        await writes.quarantine(self.connection, self.run, self.listing)
        told = ledger.written(self.run, counters, verdict)
        await ledger.close(self.connection, self.run, outcome, traffic, finished_at, told)
        await write_docket(self.connection, self.run, verdict, self.listing.started_at)


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
