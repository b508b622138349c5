"""Which of several schedulers leads: the one whose session holds an advisory lock, while its beats arrive.

A process that dies loses its session and with it the lock. One that freezes keeps both: so the leader leaves a
beat every few seconds, and whoever finds the last one too old ends the session that it came from. What a leader
enters in the queue goes through that same session, so that one which wakes up later enters nothing.
"""

from typing import Final

import asyncpg

from cadence_sync.db.engine import translate_errors

STALE: Final = 10
"""Seconds without a beat after which a leader is taken for frozen."""

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
    """Try to lead; a leader that has frozen is ended, so that the next attempt succeeds."""
    with translate_errors():
        if await connection.fetchval(_ACQUIRE):
            await connection.execute(_HEARTBEAT)
            return True
        await connection.fetch(_END_FROZEN, float(STALE))
        return False


async def heartbeat(connection: asyncpg.Connection) -> None:
    """Show that the leader lives; raises `DatabaseError` where its session is gone, and with it the lead."""
    with translate_errors():
        await connection.execute(_HEARTBEAT)
