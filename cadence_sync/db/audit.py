"""The audit log of the web UI: who approved, rejected and asked for what."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.labels import plural
from cadence_sync.db.deletion_reviews import Decision, review_deletions_within
from cadence_sync.db.engine import transaction
from cadence_sync.db.scope import OrgScope, in_scope
from cadence_sync.db.tables.history import orgs
from cadence_sync.db.tables.running import audit_log

_ACTIONS: Final = text(f"""
    SELECT org_id, done_at, done_by, action, run_id, result FROM cadence_sync.audit_log
    WHERE {in_scope("org_id")} AND (CAST(:run_id AS bigint) IS NULL OR run_id = :run_id)
    ORDER BY action_id DESC LIMIT :size OFFSET :skip
""")  # noqa: S608 - our own constants


async def log_action(engine: AsyncEngine, org_id: str, who: str, action: str, run_id: int | None, result: str) -> None:
    async with transaction(engine) as connection:
        await _log(connection, org_id=org_id, done_by=who, action=action, run_id=run_id, result=result)


async def log_token_action(
    connection: AsyncConnection, who: str, action: str, org_ids: Sequence[str] | None, result: str
) -> None:
    """Logs what was done to an access token, in the caller's transaction and once for each organization it opens."""
    if org_ids is None:
        org_ids = list(await connection.scalars(select(orgs.c.org_id).order_by(orgs.c.org_id)))
    for org_id in org_ids:
        await _log(connection, org_id=org_id, done_by=who, action=action, run_id=None, result=result)


async def review_and_log(
    engine: AsyncEngine, run_id: int, decision: Decision, who: str, action: str, alerting: AlertRouting
) -> int:
    """Reviews a run's held deletions and logs that in one transaction; returns the number of cadences."""
    async with transaction(engine) as connection:
        org_id, count = await review_deletions_within(connection, run_id, decision, f"{who} (page)", alerting)
        result = f"{decision}: {plural(count, 'cadence')}"
        await _log(connection, org_id=org_id, done_by=who, action=action, run_id=run_id, result=result)
        return count


async def list_actions(
    connection: AsyncConnection, scope: OrgScope, page: int, size: int, run_id: int | None = None
) -> tuple[Sequence[Row[Any]], bool]:
    """Loads a page of the log, newest first, and whether another page follows."""
    values = scope.values | {"run_id": run_id, "size": size + 1, "skip": (page - 1) * size}
    found = (await connection.execute(_ACTIONS, values)).all()
    return found[:size], len(found) > size


async def _log(connection: AsyncConnection, **row: object) -> None:
    await connection.execute(insert(audit_log).values(row))
