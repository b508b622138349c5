"""Sessions of the web UI. A dump of the table opens none: it holds digests of the cookies' secrets."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import autocommit
from cadence_sync.db.tables.access import web_sessions


@dataclass(frozen=True, slots=True)
class WebSession:
    """`proof` is what only the holder of the cookie and of the token could compute; None as token for WEB_TOKEN."""

    proof: bytes
    token_id: int | None


async def start_session(
    connection: AsyncConnection, secret: str, session: WebSession, now: datetime, expires_at: datetime
) -> None:
    """Records a login, and deletes the sessions that have expired."""
    row = {"session_digest": _digest(secret), "proof": session.proof, "token_id": session.token_id}
    await connection.execute(delete(web_sessions).where(web_sessions.c.expires_at <= now))
    await connection.execute(insert(web_sessions).values(**row, created_at=now, expires_at=expires_at))


async def load_session(engine: AsyncEngine, secret: str, now: datetime) -> WebSession | None:
    query = select(web_sessions.c.proof, web_sessions.c.token_id).where(
        web_sessions.c.session_digest == _digest(secret), web_sessions.c.expires_at > now
    )
    async with autocommit(engine) as connection:
        row = (await connection.execute(query)).one_or_none()
    return None if row is None else WebSession(row.proof, row.token_id)


async def end_session(connection: AsyncConnection, secret: str) -> None:
    await connection.execute(delete(web_sessions).where(web_sessions.c.session_digest == _digest(secret)))


def _digest(secret: str) -> bytes:
    """Returns the digest of a secret that is random and long enough to need no salt."""
    return hashlib.sha256(secret.encode()).digest()
