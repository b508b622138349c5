"""Direct connections of the daemons, which listen and lead, and statements on the queue's tables."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import CONNECT_TIMEOUT, connect, driver_connection, open_connection, translate_errors
from cadence_sync.errors import DatabaseError

Connection: TypeAlias = asyncpg.Connection

STATEMENT_TIMEOUT: Final = 30.0
"""Seconds for one statement: all of them are short."""
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
_EXISTS: Final = text("SELECT to_regclass('cadence_queue.' || :table)")
_DROP: Final = text("DELETE FROM cadence_queue.pgqueuer WHERE dedupe_key = :org_id AND status = 'queued'")

LOG: Final = "cadence_queue.pgqueuer_log"
STATISTICS: Final = "cadence_queue.pgqueuer_statistics"
_BATCH: Final = 10_000
"""Rows of the queue's log that one statement may delete."""

# The scheduler leads whose session is named in the table, while its heartbeats arrive. A process that dies loses its
# session, and another one enters its own. One that freezes keeps it: so another scheduler that finds its heartbeat too
# old ends that session. The leader enqueues through the same session: one that wakes up later enqueues nothing.
# Readers have no privilege on the table; an advisory lock could be held by every role.
LEADER_STALE: Final = 10
"""Seconds without a heartbeat after which a leader counts as frozen."""

LEADER_TABLE: Final = """
    CREATE TABLE cadence_queue.leader (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        backend_pid integer NOT NULL,
        backend_start timestamptz NOT NULL,
        beat_at timestamptz NOT NULL
    )
"""
LEADER_COLUMNS: Final = """
    SELECT array_agg(a.attname::text) FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'cadence_queue' AND c.relname = 'leader' AND a.attnum > 0 AND NOT a.attisdropped
"""
_ITS_SESSION: Final = "s.pid = f.backend_pid AND s.backend_start = f.backend_start"  # numbers are used again
# The start of a session of another role is hidden.
_MAY_BE_ITS: Final = "s.pid = f.backend_pid AND coalesce(s.backend_start, f.backend_start) = f.backend_start"
_IS_FRESH: Final = f"f.beat_at >= clock_timestamp() - make_interval(secs => {LEADER_STALE})"
_IS_LED: Final = f"""
    SELECT EXISTS (SELECT FROM cadence_queue.leader AS f JOIN pg_stat_activity AS s ON {_MAY_BE_ITS} WHERE {_IS_FRESH})
"""  # noqa: S608 - our own words
_END_FROZEN: Final = f"""
    SELECT pg_terminate_backend(s.pid) FROM cadence_queue.leader AS f JOIN pg_stat_activity AS s ON {_ITS_SESSION}
    WHERE NOT {_IS_FRESH}
"""  # noqa: S608 - our own words
# Two that try at once wait for each other at the row, and the second one finds the session of the first.
_ACQUIRE: Final = f"""
    INSERT INTO cadence_queue.leader AS f (backend_pid, backend_start, beat_at)
    SELECT pid, backend_start, clock_timestamp() FROM pg_stat_get_activity(pg_backend_pid())
    ON CONFLICT (one) DO UPDATE
    SET backend_pid = excluded.backend_pid, backend_start = excluded.backend_start, beat_at = excluded.beat_at
    WHERE NOT EXISTS (SELECT FROM pg_stat_activity AS s WHERE {_ITS_SESSION} OR {_MAY_BE_ITS} AND {_IS_FRESH})
    RETURNING true
"""  # noqa: S608 - our own words
_HEARTBEAT: Final = f"""
    UPDATE cadence_queue.leader AS f SET beat_at = clock_timestamp()
    FROM pg_stat_get_activity(pg_backend_pid()) AS s WHERE {_ITS_SESSION}
    RETURNING true
"""  # noqa: S608 - our own words


@asynccontextmanager
async def direct(url: str) -> AsyncIterator[Connection]:
    """Yields a connection that can listen and lead, which is impossible behind a pooler."""
    with translate_errors():
        names = {"application_name": "cadence-sync queue"}
        connection = await connect(url, command_timeout=STATEMENT_TIMEOUT, server_settings=names)
        try:
            yield connection
        finally:
            with suppress(TimeoutError, OSError):  # the other end may be gone
                await connection.close(timeout=CONNECT_TIMEOUT)


@asynccontextmanager
async def driver_of(engine: AsyncEngine) -> AsyncIterator[Connection]:
    async with open_connection(engine) as connection:
        yield await driver_connection(connection)


async def check_queue(connection: AsyncConnection) -> None:
    if await connection.scalar(_EXISTS, {"table": "leader"}) is None:
        raise DatabaseError(
            "The database has no queue of cadence-sync.", hint="Run `cadence-sync migrate`.", code="NOT_MIGRATED"
        )


async def move_ahead(connection: Connection, org_ids: Sequence[str], priority: int) -> set[str]:
    """Raises the priority of queued jobs; returns the organizations that have one."""
    with translate_errors():
        return {row["dedupe_key"] for row in await connection.fetch(_AHEAD, org_ids, priority)}


async def drop_job(connection: AsyncConnection, org_id: str) -> None:
    """Deletes an organization's queued job; a running one stays, and the queue may not exist yet."""
    if await connection.scalar(_EXISTS, {"table": "pgqueuer"}) is not None:
        await connection.execute(_DROP, {"org_id": org_id})


async def try_acquire_leadership(connection: Connection) -> bool:
    """Tries to become the leader; ends the session of one that has frozen, so that the next attempt succeeds.

    It locks the leader's row: ask `is_led` first.
    """
    with translate_errors():
        await connection.fetch(_END_FROZEN)
        return bool(await connection.fetchval(_ACQUIRE))


async def is_led(connection: Connection) -> bool:
    """Returns whether a leader is alive, by its session and its last heartbeat."""
    with translate_errors():
        return bool(await connection.fetchval(_IS_LED))


async def write_heartbeat(connection: Connection) -> bool:
    """Returns whether this session still leads."""
    with translate_errors():
        return bool(await connection.fetchval(_HEARTBEAT))


@dataclass(frozen=True, slots=True)
class Depth:
    queued: int
    running: int
    oldest: float
    """Seconds since the oldest queued job was due."""


async def depth(connection: AsyncConnection) -> Depth:
    return Depth(*(await connection.execute(_DEPTH)).one())


async def prune_log(connection: AsyncConnection, table: str, until: datetime, *, dry_run: bool) -> int:
    """Deletes the rows of `LOG` or `STATISTICS` from before a time, in batches; a dry run counts them."""
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
