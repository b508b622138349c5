"""The queue of due organizations: PgQueuer, in a schema of its own beside the history.

One job is one organization, and one organization has at most one job, queued or under way. A job of a worker that
died is taken over when its heartbeats stop. What a job wrote is safe without the queue: the ledger and its fence
decide which run counts.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from cadence_sync.db import leader
from cadence_sync.db.engine import LOCK_MIGRATION, translate_errors
from cadence_sync.db.queue import Connection, move_ahead

SCHEMA: Final = "cadence_queue"
CHANNEL: Final = Channel("cadence_queue")
REQUESTED: Final = 10
"""Priority of what a person asked for; what the schedule asks for has 0."""

# The log and the statistics of the queue may be lost in a crash: the ledger of runs is not among them.
_SETTINGS: Final = DBSettings(prefix="", db_schema=SCHEMA, channel=CHANNEL, durability=Durability.balanced)


class SyncJob(msgspec.Struct, frozen=True):
    """The payload of a job: which organization, why, and which edition of its credentials is meant."""

    org_id: str
    data_center: str
    trigger: str
    credentials_version: str = ""


def entrypoint(data_center: str) -> str:
    """Return the kind of job: one for each data center, so that each has its own limit."""
    return f"sync_{data_center}"


def queries_on(connection: Connection) -> Queries:
    """Return PgQueuer's queries on a direct connection."""
    return Queries(
        AsyncpgDriver(connection),
        QueryBuilderEnvironment(_SETTINGS),
        QueryQueueBuilder(_SETTINGS),
        QuerySchedulerBuilder(_SETTINGS),
    )


async def is_pending(connection: Connection) -> bool:
    """Whether the queue's tables are missing, or are not those that this PgQueuer needs."""
    with translate_errors():
        async with connection.transaction(isolation="read_committed"):
            return bool(await _pending(connection))


async def install(connection: Connection) -> None:
    """Bring the queue's tables to what this PgQueuer needs: they belong to it, and to no migration.

    PgQueuer's own upgrade holds a lock of the session, which a pooler in transaction mode strands.
    """
    with translate_errors():
        while await _converge(connection):
            pass


async def _converge(connection: Connection) -> bool:
    """Run one transaction of statements that may share one; returns whether there was anything to do."""
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(LOCK_MIGRATION)
        statements = await _pending(connection)
        # A label that is added to a type cannot be used before it is committed.
        labels = [each for each in statements if "ADD VALUE" in each]
        for statement in labels or statements:
            await connection.execute(statement)
        if statements and not labels:
            # Jobs come and go: their dead rows would slow down the next ones.
            await queries_on(connection).optimize_autovacuum()
    return bool(statements)


async def _pending(connection: Connection) -> list[str]:
    plan = await queries_on(connection).plan_upgrade()
    leads = await connection.fetchval(leader.EXISTS)
    return [*plan.statements, *([] if leads else [leader.TABLE])]


async def enqueue(connection: Connection, jobs: Sequence[SyncJob], priority: int = 0) -> list[str]:
    """Enter jobs, and return the organizations whose jobs are new: others have one that is queued or under way."""
    if not jobs:
        return []
    with translate_errors():
        entered = await queries_on(connection).enqueue(
            [entrypoint(job.data_center) for job in jobs],
            [msgspec.json.encode(job) for job in jobs],
            [priority] * len(jobs),
            dedupe_key=[job.org_id for job in jobs],
            on_conflict="skip",
        )
    return [job.org_id for job, number in zip(jobs, entered, strict=True) if number is not None]


async def enqueue_now(connection: Connection, jobs: Sequence[SyncJob]) -> dict[str, str]:
    """Enter what a person asked for, ahead of what the schedule did.

    Returns for each organization `entered`, `moved ahead` where its job waited already, or `running`.
    """
    new = await enqueue(connection, jobs, REQUESTED)
    waited = await move_ahead(connection, [job.org_id for job in jobs if job.org_id not in new], REQUESTED)
    states = dict.fromkeys(new, "entered") | dict.fromkeys(waited, "moved ahead")
    return {job.org_id: states.get(job.org_id, "running") for job in jobs}
