"""The queue of due organizations: PgQueuer, in a schema of its own next to the history.

One job is one organization, and one organization has at most one job, queued or running. A job of a worker that
died is taken over when its heartbeats stop. What a job wrote is safe without the queue: the ledger and its fence
decide which run counts.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import msgspec
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import JOB_STATUS, Channel

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.daemon.notifications import FilteringDriver
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.queue import Connection, direct, move_ahead

SCHEMA: Final = "cadence_queue"
CHANNEL: Final = Channel("cadence_queue")
REQUESTED: Final = 10
"""Priority of what a person asked for; what the schedule asks for has 0."""

AFTER_FAILURE: Final = timedelta(seconds=10)
"""After which a job is offered again whose worker met a defect."""

# The log and the statistics of the queue may be lost in a crash: the ledger of runs is not among them.
_SETTINGS: Final = DBSettings(prefix="", db_schema=SCHEMA, channel=CHANNEL, durability=Durability.balanced)


class SyncJob(msgspec.Struct, frozen=True):
    org_id: str
    data_center: str
    trigger: str


class SafeQueries(Queries):
    """Lets a job leave the queue only when it is done.

    PgQueuer also deletes one that ended with an exception or was canceled, or could not be handed back.
    """

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        done = [entry for entry in job_status if entry[1] == "successful"]
        if done:
            await super().log_jobs(done)
        for job, status, traceback in job_status:
            if status != "successful":
                await self.retry_job(job, AFTER_FAILURE, traceback)


def entrypoint(data_center: str) -> str:
    """Returns the kind of job: one for each data center, so that each has its own limit."""
    return f"sync_{data_center}"


def queries_on(connection: Connection) -> Queries:
    return SafeQueries(
        FilteringDriver(connection),
        QueryBuilderEnvironment(_SETTINGS),
        QueryQueueBuilder(_SETTINGS),
        QuerySchedulerBuilder(_SETTINGS),
    )


async def enqueue(connection: Connection, jobs: Sequence[SyncJob], priority: int = 0) -> list[str]:
    """Returns the organizations with new jobs: the others have one that is queued or running."""
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
    """Enqueues ahead of the schedule; returns `entered`, `moved ahead` (its job waited already) or `running` by id."""
    new = await enqueue(connection, jobs, REQUESTED)
    waited = await move_ahead(connection, [job.org_id for job in jobs if job.org_id not in new], REQUESTED)
    states = dict.fromkeys(new, "entered") | dict.fromkeys(waited, "moved ahead")
    return {job.org_id: states.get(job.org_id, "running") for job in jobs}


async def request_syncs(url: str, orgs: Iterable[OrgConfig]) -> dict[str, str]:
    async with direct(url) as connection:
        return await enqueue_now(connection, [SyncJob(org.org_id, org.data_center, "request") for org in orgs])
