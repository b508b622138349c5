"""The audit log: every change that a person makes, entered in the transaction that makes it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.identity import UNKNOWN_USER
from cadence_sync.db.engine import open_connection, transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.scope import OrgScope, in_scope
from cadence_sync.db.tables.running import audit_log
from cadence_sync.ports import Actor

_ACTIONS: Final = text(f"""
    SELECT org_id, done_at, done_by, source, action, run_id, result FROM cadence_sync.audit_log
    WHERE {in_scope("org_id")} AND (CAST(:run_id AS bigint) IS NULL OR run_id = :run_id)
    ORDER BY action_id DESC LIMIT :size OFFSET :skip
""")  # noqa: S608 - our own constants
_EXPORT: Final = text("""
    SELECT action_id, done_at, source, done_by, action, org_id, run_id, result, details FROM cadence_sync.audit_log
    WHERE (CAST(:org AS text) IS NULL OR org_id = :org) AND (CAST(:since AS timestamptz) IS NULL OR done_at >= :since)
    ORDER BY action_id
""")


async def enter(
    connection: AsyncConnection,
    by: Actor,
    action: str,
    result: str,
    *,
    org_id: str | None = None,
    run_id: int | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Enters an action in the caller's transaction, which makes the change.

    `details` hold numbers, ids and choices; no secret, and no name of a person but those of operators.
    """
    row = {"org_id": org_id, "done_by": by.name, "source": by.source, "action": action, "run_id": run_id}
    await connection.execute(insert(audit_log).values(row | {"result": result, "details": details or {}}))


async def enter_alone(
    engine: AsyncEngine,
    by: Actor,
    action: str,
    result: str,
    *,
    org_id: str | None = None,
    run_id: int | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Enters an action in a transaction of its own: a refusal, or a change outside of this database."""
    async with transaction(engine) as connection:
        await enter(connection, by, action, result, org_id=org_id, run_id=run_id, details=details)


async def enter_login(engine: AsyncEngine, user: str, client: str) -> None:
    """Enters a login to the web UI that succeeded; those that fail come in bursts and go to log and metrics only."""
    await enter_alone(engine, Actor(user, "web"), "login_succeeded", "logged in", details={"client": client})


async def enter_lockout(engine: AsyncEngine, client: str, failures: int) -> None:
    """Enters, once a lockout, that a client may not log in for a while."""
    details = {"client": client, "failures": failures}
    await enter_alone(engine, Actor(UNKNOWN_USER, "web"), "login_locked", "locked out", details=details)


async def list_actions(
    connection: AsyncConnection, scope: OrgScope, page: int, size: int, run_id: int | None = None
) -> tuple[Sequence[Row[Any]], bool]:
    """Loads a page of the log, newest first, and whether another page follows."""
    values = scope.values | {"run_id": run_id, "size": size + 1, "skip": (page - 1) * size}
    found = (await connection.execute(_ACTIONS, values)).all()
    return found[:size], len(found) > size


async def stream_actions(
    engine: AsyncEngine, org: str | None = None, since: datetime | None = None
) -> AsyncIterator[Mapping[str, Any]]:
    """Yields the whole log, or that of an organization or since a time, in the order in which it was entered."""
    async with open_connection(engine) as connection:
        await check_migrated(connection)
        async with connection.stream(_EXPORT, {"org": org, "since": since}) as rows:
            async for row in rows.mappings():
                yield dict(row)
