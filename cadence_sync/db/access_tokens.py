"""Named access tokens of the web UI: each has a role, perhaps organizations, and an end.

Only the SHA-256 of a secret is stored. A secret has 256 random bits: it cannot be guessed from its digest, and since it
is looked up by the digest, the time that this takes tells nothing about other secrets.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.identity import Identity, Role
from cadence_sync.db import audit
from cadence_sync.db.engine import autocommit, open_connection, transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables.access import access_tokens
from cadence_sync.db.tables.history import orgs as orgs_table
from cadence_sync.errors import UNKNOWN_ORG, ArgumentError, NotFoundError
from cadence_sync.logs import log_and_continue
from cadence_sync.ports import Actor

PREFIX: Final = "cs_"
"""How every secret begins, so that scanners of repositories and logs can find it."""
USED_EVERY: Final = timedelta(minutes=1)
"""How exact `last_used_at` is: a token that is in use costs one write in this time."""
_RANDOM_BYTES: Final = 32
_T: Final = access_tokens.c
_LISTED: Final = [column for column in _T if column.name != "digest"]


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is created with; None is all organizations, or no end."""

    name: str
    role: Role
    orgs: Sequence[str] | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A token that is neither revoked nor expired; `token_id` stays the same and is no secret."""

    token_id: int
    identity: Identity
    expires_at: datetime | None


async def create_token(engine: AsyncEngine, new: NewToken, by: Actor) -> tuple[str, dict[str, Any]]:
    """Stores a token; returns its secret, which is stored nowhere, and its row without the digest.

    Raises `ArgumentError` for a name in use, or an organization that is not stored.
    """
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    orgs = None if new.orgs is None else sorted(set(new.orgs))
    values = {"name": new.name, "role": new.role, "orgs": orgs, "expires_at": new.expires_at, "created_by": by.name}
    statement = access_tokens.insert().values(values | {"digest": _digest(secret)}).returning(*_LISTED)
    async with transaction(engine) as connection:
        await check_migrated(connection)
        await _check_orgs(connection, orgs)
        try:
            row = dict((await connection.execute(statement)).mappings().one())
        except IntegrityError as error:
            raise ArgumentError(
                f"There is a token {new.name!r} already.",
                hint="Choose another name, or revoke that one first.",
                code="TOKEN_EXISTS",
            ) from error
        details = {"name": new.name, "role": new.role, "orgs": orgs}
        await audit.enter(connection, by, "token create", "created", details=details)
    return secret, row


async def list_tokens(engine: AsyncEngine, *, revoked: bool = False) -> list[dict[str, Any]]:
    """Returns the tokens by name, expired ones too; with `revoked` also those that were revoked."""
    statement = sa.select(*_LISTED).order_by(_T.name, _T.token_id)
    if not revoked:
        statement = statement.where(_T.revoked_at.is_(None))
    async with open_connection(engine) as connection:
        await check_migrated(connection)
        return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def revoke_token(engine: AsyncEngine, name: str, by: Actor) -> datetime:
    """Ends a token and every session that began with it; raises `NotFoundError`."""
    statement = (
        access_tokens.update()
        .where(_T.name == name, _T.revoked_at.is_(None))
        .values(revoked_at=sa.func.now(), revoked_by=by.name)
        .returning(_T.revoked_at)
    )
    async with transaction(engine) as connection:
        await check_migrated(connection)
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no token {name!r}.", hint="`cadence-sync token list` shows all.")
        await audit.enter(connection, by, "token revoke", "revoked", details={"name": name})
    revoked_at: datetime = row.revoked_at
    return revoked_at


async def find_token(engine: AsyncEngine, secret: str, now: datetime) -> NamedToken | None:
    """Returns the token of a secret, and notes its use; None if it is unknown, revoked or expired."""
    if not secret.startswith(PREFIX):
        return None
    return await _use(engine, _T.digest == _digest(secret), now)


async def load_token(engine: AsyncEngine, token_id: int, now: datetime) -> NamedToken | None:
    """Returns a token by its id, as `find_token` does: a session keeps the id, never the secret."""
    return await _use(engine, _T.token_id == token_id, now)


async def _use(engine: AsyncEngine, which: sa.ColumnElement[bool], now: datetime) -> NamedToken | None:
    valid = (_T.revoked_at.is_(None), sa.or_(_T.expires_at.is_(None), _T.expires_at > now))
    async with autocommit(engine) as connection:
        row = (await connection.execute(sa.select(*_LISTED).where(which, *valid))).one_or_none()
    if row is None:
        return None
    if row.last_used_at is None or row.last_used_at <= now - USED_EVERY:
        with log_and_continue("token_use_not_recorded"):
            await _record_use(engine, row.token_id, now)
    orgs = None if row.orgs is None else frozenset(row.orgs)
    return NamedToken(row.token_id, Identity(row.name, row.role, orgs), row.expires_at)


async def _record_use(engine: AsyncEngine, token_id: int, now: datetime) -> None:
    outdated = sa.or_(_T.last_used_at.is_(None), _T.last_used_at <= now - USED_EVERY)
    # A row that another request is writing is left to it: nothing waits here.
    free = sa.select(_T.token_id).where(_T.token_id == token_id, outdated).with_for_update(skip_locked=True)
    statement = access_tokens.update().where(_T.token_id.in_(free)).values(last_used_at=now)
    async with transaction(engine) as connection:
        await connection.execute(statement)


async def _check_orgs(connection: AsyncConnection, orgs: Sequence[str] | None) -> None:
    """Raises `ArgumentError` for an organization that is not stored: a misspelled one would show nothing."""
    if orgs is None:
        return
    stored = list(await connection.scalars(sa.select(orgs_table.c.org_id).order_by(orgs_table.c.org_id)))
    unknown = [org for org in orgs if org not in stored]
    if unknown:
        raise ArgumentError(
            f"There is no organization {unknown[0]!r}.",
            hint=f"Stored: {', '.join(stored) or 'none yet; run `cadence-sync sync`'}.",
            code=UNKNOWN_ORG,
        )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
