"""Direct connections of the daemons, which listen and hold session locks, and what they ask of the queue's tables."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import CONNECT_TIMEOUT, connect, translate_errors
from cadence_sync.errors import DatabaseError

Connection: TypeAlias = asyncpg.Connection

STATEMENT_TIMEOUT: Final = 30.0
"""Seconds after which a connection that does not answer is given up: its statements are short."""
_AHEAD: Final = """
    UPDATE cadence_queue.pgqueuer SET priority = $2
    WHERE dedupe_key = ANY($1::text[]) AND status = 'queued'
    RETURNING dedupe_key
"""
_DEPTH: Final = text("""
    SELECT count(*) FILTER (WHERE status = 'queued'), count(*) FILTER (WHERE status = 'picked'),
           coalesce(extract(epoch FROM now() - min(execute_after) FILTER (WHERE status = 'queued')), 0)::float8
    FROM cadence_queue.pgqueuer
""")
_THERE: Final = text("SELECT to_regclass('cadence_queue.pgqueuer')")
_DROP: Final = text("DELETE FROM cadence_queue.pgqueuer WHERE dedupe_key = :org_id AND status = 'queued'")


LOG: Final = "cadence_queue.pgqueuer_log"
STATISTICS: Final = "cadence_queue.pgqueuer_statistics"
_BATCH: Final = 10_000
"""Rows of the queue's log that one statement may delete."""


@asynccontextmanager
async def direct(url: str) -> AsyncIterator[Connection]:
    """Yield a connection of its own that may listen and hold session locks; behind a pooler it could do neither."""
    with translate_errors():
        connection = await connect(
            url,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings={"application_name": "cadence-sync queue"},
        )
        try:
            yield connection
        finally:
            with suppress(TimeoutError, OSError):  # one without another end is cut off
                await connection.close(timeout=CONNECT_TIMEOUT)


@asynccontextmanager
async def driver_of(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Yield the driver's own connection of an engine."""
    with translate_errors():
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            if raw is None:
                raise RuntimeError("the connection has no driver connection")
            yield raw


async def check_queue(connection: AsyncConnection) -> None:
    """Raise `DatabaseError` unless the queue's tables are there."""
    if await connection.scalar(text("SELECT to_regclass('cadence_queue.leader')")) is None:
        raise DatabaseError(
            "The database has no queue of cadence-sync.", hint="Run `cadence-sync migrate`.", code="NOT_MIGRATED"
        )


async def move_ahead(connection: Connection, org_ids: Sequence[str], priority: int) -> set[str]:
    """Let jobs that wait go before others; returns the organizations whose job waits."""
    with translate_errors():
        return {row["dedupe_key"] for row in await connection.fetch(_AHEAD, org_ids, priority)}


async def drop_job(connection: AsyncConnection, org_id: str) -> None:
    """Take an organization's job out of the queue, unless a worker is at it; there may be no queue yet."""
    if await connection.scalar(_THERE) is not None:
        await connection.execute(_DROP, {"org_id": org_id})


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs wait, and how many are under way."""

    queued: int
    running: int
    oldest: float
    """Seconds that the oldest of those that wait has waited."""


async def depth(connection: AsyncConnection) -> Depth:
    """Count the jobs."""
    return Depth(*(await connection.execute(_DEPTH)).one())


async def prune_log(connection: AsyncConnection, table: str, until: datetime, *, dry_run: bool) -> int:
    """Delete the rows of `LOG` or `STATISTICS` from before a time, each batch for itself; a dry run counts them."""
    old = f"FROM {table} WHERE created < :until"
    if dry_run:
        return int(await connection.scalar(text(f"SELECT count(*) {old}"), {"until": until}) or 0)
    some = f"SELECT ctid {old} LIMIT {_BATCH} FOR UPDATE SKIP LOCKED"
    delete = text(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({some}))")  # noqa: S608 - our own constants
    rows = 0
    while True:
        gone = (await connection.execute(delete, {"until": until})).rowcount
        rows += gone
        if gone < _BATCH:
            return rows
