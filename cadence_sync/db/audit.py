"""Who did what in the web UI."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.labels import plural
from cadence_sync.db.deletion_reviews import Decision, review_deletions_within
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.tables import audit_log

_ACTIONS: Final = text("""
    SELECT org_id, done_at, done_by, action, run_id, result FROM cadence_sync.audit_log
    WHERE (CAST(:org AS text) IS NULL OR org_id = :org) AND (CAST(:run_id AS bigint) IS NULL OR run_id = :run_id)
    ORDER BY action_id DESC LIMIT :size OFFSET :skip
""")


class Action(msgspec.Struct, frozen=True):
    """Something that was asked for in the web UI, and what came of it."""

    org_id: str
    done_at: datetime
    done_by: str
    action: str
    run_id: int | None
    result: str


async def enter_action(
    engine: AsyncEngine, org_id: str, who: str, action: str, run_id: int | None, result: str
) -> None:
    """Enter what was done; such a row is never changed."""
    with translate_errors():
        async with engine.begin() as connection:
            await _enter(connection, org_id, who, action, run_id, result)


async def decide_and_enter(
    engine: AsyncEngine, run_id: int, decision: Decision, who: str, action: str, alerting: AlertRouting
) -> int:
    """Decide about what a run held and enter it, both or neither; returns how many cadences it is about."""
    with translate_errors():
        async with engine.begin() as connection:
            org_id, count = await review_deletions_within(connection, run_id, decision, f"{who} (page)", alerting)
            await _enter(connection, org_id, who, action, run_id, f"{decision}: {plural(count, 'cadence')}")
            return count


async def actions(
    connection: AsyncConnection, page: int, size: int, org: str | None = None, run_id: int | None = None
) -> tuple[list[Action], bool]:
    """Return a page of what was done, newest first, and whether there is more."""
    values = {"org": org, "run_id": run_id, "size": size + 1, "skip": (page - 1) * size}
    found = [Action(*row) for row in await connection.execute(_ACTIONS, values)]
    return found[:size], len(found) > size


async def _enter(
    connection: AsyncConnection, org_id: str, who: str, action: str, run_id: int | None, result: str
) -> None:
    row = {"org_id": org_id, "done_by": who, "action": action, "run_id": run_id, "result": result}
    await connection.execute(insert(audit_log).values(row))
