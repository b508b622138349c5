"""Replaces the name of an operator, who approves, redacts and administers, in the tables that say who did what.

The row of `redactions` holds no name: only a digest under a salt that is known to this transaction and to no other.
"""

import secrets
from hashlib import sha256
from typing import Final

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.identity import RESERVED_NAMES
from cadence_sync.db import audit
from cadence_sync.db.engine import transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables.history import redactions
from cadence_sync.errors import ArgumentError
from cadence_sync.ports import Actor

_SETTINGS: Final = text("""
    SELECT set_config('cadence_sync.operator', :name, true), set_config('cadence_sync.operator_salt', :salt, true),
           cadence_sync.without_operator(:by, :name) <> :by AS is_self
""")
_DETAILS: Final = """
    cadence_sync.details_without_operator(
        details, action, :name, done_by <> cadence_sync.without_operator(done_by, :name)
    )
"""
_PLACES: Final = {
    "audit_log": {"done_by": "cadence_sync.without_operator(done_by, :name)", "details": _DETAILS},
    "deletion_decisions": {"decided_by": "cadence_sync.without_operator(decided_by, :name)"},
    "redactions": {"redacted_by": "cadence_sync.without_operator(redacted_by, :name)"},
}
"""Table → column → its value without the name."""
_TOKENS: Final = {
    "access_tokens": {
        "name": "CASE WHEN revoked_at IS NULL THEN name ELSE cadence_sync.without_operator(name, :name) END",
        "created_by": "cadence_sync.without_operator(created_by, :name)",
        "revoked_by": "cadence_sync.without_operator(revoked_by, :name)",
    }
}
"""The same of a table that is not append-only: its rows need no permission, and are not counted in `redactions`.

A token in use keeps its name, by which it is revoked.
"""
_ALL: Final = _PLACES | _TOKENS


async def redact_operator(engine: AsyncEngine, name: str, by: Actor, *, dry_run: bool = False) -> dict[str, int]:
    """Replaces an operator's name; returns the number of rows by table, and with `dry_run` by column.

    Raises `ArgumentError` for a reserved name, and where they would do so themselves: who did it is entered, and stays.
    """
    if name.partition(" (")[0] in RESERVED_NAMES:
        raise ArgumentError(
            f"{name!r} is a role or a shared login, not the name of an operator.",
            hint="`cadence-sync audit export` shows the names of operators as `done_by`.",
        )
    if not name or "\0" in name or name.encode(errors="ignore").decode() != name:
        return {}
    salt = secrets.token_hex(32)
    async with transaction(engine) as connection:
        # What others enter meanwhile is neither counted nor rewritten.
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        await check_migrated(connection)
        settings = await connection.execute(_SETTINGS, {"name": name, "salt": salt, "by": by.name})
        if dry_run:
            return await _count_by_column(connection, name)
        if settings.one().is_self:
            raise ArgumentError(
                f"{name!r} cannot erase their own name: the audit log would say that they did.",
                hint="Let another operator run this.",
            )
        counts = {table: await _count(connection, table, _changes(table), name) for table in _ALL}
        if any(counts.values()):
            digest = sha256(f"{salt}{name}".encode()).digest()
            guarded = {table: counts[table] for table in _PLACES}
            await connection.execute(insert(redactions).values(operator_digest=digest, redacted_by=by.name, **guarded))
            for table, columns in _ALL.items():
                values = ", ".join(f"{column} = {value}" for column, value in columns.items())
                statement = text(f"UPDATE cadence_sync.{table} SET {values} WHERE {_changes(table)}")  # noqa: S608 - ours
                await connection.execute(statement, {"name": name})
            await audit.enter(connection, by, "redact-person --operator", "redacted", details={"rows": counts})
    return counts


def _changes(table: str) -> str:
    return " OR ".join(f"{column} <> {value}" for column, value in _ALL[table].items())


async def _count_by_column(connection: AsyncConnection, name: str) -> dict[str, int]:
    return {
        f"{table}.{column}": await _count(connection, table, f"{column} <> {value}", name)
        for table, columns in _ALL.items()
        for column, value in columns.items()
    }


async def _count(connection: AsyncConnection, table: str, condition: str, name: str) -> int:
    statement = text(f"SELECT count(*) FROM cadence_sync.{table} WHERE {condition}")  # noqa: S608 - our own words
    return await connection.scalar(statement, {"name": name}) or 0
