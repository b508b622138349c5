"""Elects one of several schedulers: the one whose session holds an advisory lock, while its heartbeats arrive.

A process that dies loses its session and with it the lock. One that freezes keeps both: so the leader writes a
heartbeat every few seconds, and another scheduler that finds it too old ends the leader's session. The leader enqueues
jobs through that same session, so that one which wakes up later enqueues nothing.
"""

from typing import Final

import asyncpg

from cadence_sync.db.engine import translate_errors

STALE: Final = 10
"""Seconds without a heartbeat after which a leader counts as frozen."""

TABLE: Final = """
    CREATE TABLE cadence_queue.leader (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        backend_pid integer NOT NULL,
        beat_at timestamptz NOT NULL
    )
"""
EXISTS: Final = """
    SELECT EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'cadence_queue' AND c.relname = 'leader'
    )
"""
_ACQUIRE: Final = "SELECT pg_try_advisory_lock(hashtextextended('cadence_sync/leader', 0))"
_HEARTBEAT: Final = """
    INSERT INTO cadence_queue.leader (backend_pid, beat_at) VALUES (pg_backend_pid(), clock_timestamp())
    ON CONFLICT (one) DO UPDATE SET backend_pid = excluded.backend_pid, beat_at = excluded.beat_at
"""
_END_FROZEN: Final = """
    SELECT pg_terminate_backend(f.backend_pid)
    FROM cadence_queue.leader AS f
    JOIN pg_locks AS l ON l.pid = f.backend_pid AND l.locktype = 'advisory' AND l.granted
    WHERE f.beat_at < clock_timestamp() - make_interval(secs => $1)
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('cadence_sync/leader', 0)
"""


async def try_acquire(connection: asyncpg.Connection) -> bool:
    """Tries to become the leader; ends the session of one that has frozen, so that the next attempt succeeds."""
    with translate_errors():
        if await connection.fetchval(_ACQUIRE):
            await connection.execute(_HEARTBEAT)
            return True
        await connection.fetch(_END_FROZEN, float(STALE))
        return False


async def heartbeat(connection: asyncpg.Connection) -> None:
    """Writes the leader's heartbeat; raises `DatabaseError` where its session is gone."""
    with translate_errors():
        await connection.execute(_HEARTBEAT)
