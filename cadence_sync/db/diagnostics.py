"""Facts about the database for `doctor`, each from one short statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import open_connection
from cadence_sync.db.queue import Depth, depth
from cadence_sync.db.runs import DAY
from cadence_sync.db.store import SPENT
from cadence_sync.db.tables.running import schema_drift, sync_runs

_SERVER: Final = text("""
    SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
           current_database()::text AS database, current_user::text AS user,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
           clock_timestamp() AS now,
           (SELECT count(DISTINCT a.grantee) FROM pg_namespace AS n CROSS JOIN aclexplode(n.nspacl) AS a
            WHERE n.nspname = 'cadence_reporting' AND a.privilege_type = 'USAGE' AND a.grantee <> n.nspowner) AS readers
""")
# What a daemon needs, which may be less than the owner has: of what is append-only it updates nothing but the end of a
# version, and it redacts nobody.
_LACKING: Final = text("""
    SELECT p.privilege || ' on ' || n.nspname || '.' || c.relname
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
    WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('cadence_sync', 'cadence_queue')
      AND (p.privilege <> 'DELETE' OR n.nspname = 'cadence_queue')
      AND (p.privilege = 'SELECT' OR c.relname NOT IN ('alembic_version', 'reader_limits', 'reporting_layer'))
      AND (n.nspname, c.relname, p.privilege) <> ('cadence_sync', 'redactions', 'INSERT')
      AND NOT (n.nspname = 'cadence_sync' AND p.privilege = 'UPDATE' AND c.relname IN (
          'cadence_changes', 'discovered_fields', 'quarantined_records', 'deletion_decisions', 'redactions', 'audit_log'
      ))
      AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE
          WHEN c.relname = 'cadence_versions' AND p.privilege = 'UPDATE'
              THEN has_column_privilege(c.oid, 'valid_to', 'UPDATE')
          ELSE has_table_privilege(c.oid, p.privilege)
      END)
    ORDER BY n.nspname DESC, c.relname, p.privilege
""")
_DAEMONS: Final = text("""
    SELECT (SELECT extract(epoch FROM clock_timestamp() - beat_at)::float8 FROM cadence_queue.leader) AS leader_silent,
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'cadence-sync queue') AS connections,
           (SELECT count(*) FROM cadence_queue.pgqueuer
            WHERE status = 'picked' AND heartbeat < clock_timestamp() - interval '1 minute') AS silent_jobs
""")
_SIZE: Final = text("""
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes,
           coalesce(max(c.reltuples) FILTER (WHERE c.relname = 'sync_runs'), 0)::bigint AS runs
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('cadence_sync', 'cadence_queue')
""")


@dataclass(frozen=True, slots=True)
class Server:
    """The server and the session; `now` is its clock, `readers` are the roles that `grant-reader` let in."""

    number: int
    version: str
    database: str
    user: str
    read_only: bool
    now: datetime
    readers: int


@dataclass(frozen=True, slots=True)
class Daemons:
    """Activity of schedulers and workers; times in seconds."""

    leader_silent: float | None
    connections: int
    silent_jobs: int


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of all tables with their indexes, and the estimated number of runs."""

    bytes: int
    runs: int


async def server(engine: AsyncEngine) -> Server:
    async with open_connection(engine) as connection:
        return Server(**(await connection.execute(_SERVER)).mappings().one())


async def lacking_rights(engine: AsyncEngine) -> list[str]:
    async with open_connection(engine) as connection:
        return list(await connection.scalars(_LACKING))


async def queue(engine: AsyncEngine) -> tuple[Depth, Daemons]:
    async with open_connection(engine) as connection:
        return await depth(connection), Daemons(**(await connection.execute(_DAEMONS)).mappings().one())


async def size(engine: AsyncEngine) -> Size:
    async with open_connection(engine) as connection:
        return Size(**(await connection.execute(_SIZE)).mappings().one())


async def calls_of_the_day(engine: AsyncEngine, now: datetime) -> Mapping[str, int]:
    statement = select(sync_runs.c.org_id, SPENT).where(sync_runs.c.started_at > now - DAY).group_by(sync_runs.c.org_id)
    return await _by_org(engine, statement)


async def drift(engine: AsyncEngine) -> Mapping[str, list[str]]:
    paths = func.array_agg(schema_drift.c.path)
    return await _by_org(engine, select(schema_drift.c.org_id, paths).group_by(schema_drift.c.org_id))


async def _by_org(engine: AsyncEngine, statement: Select[Any]) -> dict[str, Any]:
    async with open_connection(engine) as connection:
        return {row[0]: row[1] for row in await connection.execute(statement)}
