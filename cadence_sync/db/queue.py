"""The queue of due organisations: PgQueuer, in a schema of its own beside the history.

One job is one organisation, and one organisation has at most one job, queued or under way. A job of a worker that
died is taken over when its heartbeats stop. What a job wrote is safe without the queue: the ledger and its fence
decide which run counts.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import CONNECT_TIMEOUT, our_errors

SCHEMA: Final = "cadence_queue"
CHANNEL: Final = "cadence_queue"
SINCE: Final = "0007"
"""The first revision that has a queue."""
REQUESTED: Final = 10
"""Priority of what a person asked for; what the schedule asks for has 0."""

# The log and the statistics of the queue may be lost in a crash: the ledger of runs is not among them.
_SETTINGS: Final = DBSettings(prefix="", db_schema=SCHEMA, channel=Channel(CHANNEL), durability=Durability.balanced)

_AHEAD: Final = """
    UPDATE cadence_queue.pgqueuer SET priority = $2
    WHERE dedupe_key = ANY($1::text[]) AND status = 'queued' AND priority < $2
"""
_DEPTH: Final = """
    SELECT count(*) FILTER (WHERE status = 'queued'), count(*) FILTER (WHERE status = 'picked')
    FROM cadence_queue.pgqueuer
"""


class Due(msgspec.Struct, frozen=True):
    """The payload of a job: which organisation, why, and which edition of its credentials is meant."""

    org_id: str
    data_center: str
    trigger: str
    edition: str = ""


def entrypoint(data_center: str) -> str:
    """Return the kind of job: one for each data centre, so that each has its own limit."""
    return f"sync_{data_center}"


def queries_on(connection: asyncpg.Connection) -> Queries:
    """Return PgQueuer's queries on a direct connection."""
    return Queries(
        AsyncpgDriver(connection),
        QueryBuilderEnvironment(_SETTINGS),
        QueryQueueBuilder(_SETTINGS),
        QuerySchedulerBuilder(_SETTINGS),
    )


@asynccontextmanager
async def direct(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of its own that may listen and hold session locks; behind a pooler it could do neither."""
    with our_errors():
        connection = await asyncpg.connect(
            url, timeout=CONNECT_TIMEOUT, server_settings={"application_name": "cadence-sync queue"}
        )
        try:
            yield connection
        finally:
            if not connection.is_closed():
                await connection.close(timeout=CONNECT_TIMEOUT)


async def install(engine: AsyncEngine) -> None:
    """Bring the queue's tables to what this PgQueuer needs."""
    async with _driver(engine) as connection:
        queries = queries_on(connection)
        if await queries.schema_is_installed():
            await queries.upgrade()
        else:
            await queries.install()


async def uninstall(engine: AsyncEngine) -> None:
    """Drop the queue and all that is in it."""
    async with _driver(engine) as connection:
        await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


async def enqueue(queries: Queries, due: Iterable[Due], *, requested: bool = False) -> int:
    """Enter jobs, and return how many are new: an organisation whose job is queued or under way keeps that one.

    Where a person asks, a queued one moves ahead.
    """
    jobs = list(due)
    if not jobs:
        return 0
    with our_errors():
        entered = await queries.enqueue(
            [entrypoint(job.data_center) for job in jobs],
            [msgspec.json.encode(job) for job in jobs],
            [REQUESTED if requested else 0] * len(jobs),
            dedupe_key=[job.org_id for job in jobs],
            on_conflict="skip",
        )
        waiting = [job.org_id for job, number in zip(jobs, entered, strict=True) if number is None]
        if requested and waiting:
            await queries.driver.execute(
                _AHEAD,
                waiting,
                REQUESTED,
            )
    return len(jobs) - len(waiting)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs wait and how many are under way."""

    queued: int
    running: int


async def depth(connection: asyncpg.Connection) -> Depth:
    """Count the jobs."""
    with our_errors():
        row = await connection.fetchrow(_DEPTH)
    return Depth(*row)


@asynccontextmanager
async def _driver(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    with our_errors():
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            if raw is None:
                raise RuntimeError("the connection has no driver connection")
            yield raw
