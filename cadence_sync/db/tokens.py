"""Access tokens that processes and restarts share: encrypted, and refreshed by one process for all.

Zoho lets one refresh token make ten access tokens in ten minutes and keeps at most fifteen alive. A process
that restarts in a loop, or ten replicas, would use that up at once if each made its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.cipher import Cipher
from cadence_sync.db.engine import open_connection, transaction
from cadence_sync.db.tables.history import orgs
from cadence_sync.db.tables.running import oauth_tokens
from cadence_sync.ports import AccessToken, TokenSlot

_LOCK: Final = text("""
    INSERT INTO cadence_sync.locks (org_id, name)
    SELECT :org_id, 'token' WHERE (
        SELECT num_nulls(
            set_config('lock_timeout', :patience, true),
            set_config('idle_in_transaction_session_timeout', :patience, true)
        ) = 0
    )
    ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name WHERE false
""")
"""The server cuts off a process that freezes while it refreshes, and the next one refreshes.

A row that exists is locked and stays as it is. It is not the organization's own: runs go on while Zoho answers.
"""


class _TokenPayload(msgspec.Struct):
    """What is encrypted; with the organization, so that no row can stand in for another's."""

    org_id: str
    value: str
    api_url: str


@dataclass(slots=True)
class TokenTable:
    """Implements `ports.TokenCache` for one organization and one set of credentials."""

    engine: AsyncEngine
    cipher: Cipher
    org_id: str
    fingerprint: bytes
    patience: float
    """Seconds that one refresh may take before another process may try."""

    async def load(self) -> AccessToken | None:
        async with open_connection(self.engine) as connection:
            return (await self._read(connection)).token

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[TokenSlot]:
        async with open_connection(self.engine) as connection:
            milliseconds = str(int(self.patience * 1000))
            await connection.execute(_LOCK, {"org_id": self.org_id, "patience": milliseconds})
            slot = await self._read(connection)
            token, issued_at = slot.token, slot.issued_at
            try:
                yield slot
            finally:
                if slot.issued_at != issued_at:
                    await self._write(connection, None if slot.token is token else slot.token, slot.issued_at)
                    await connection.commit()

    async def drop(self) -> None:
        emptied = oauth_tokens.update().where(*self._key()).values(encrypted_token=b"", expires_at=func.now())
        async with transaction(self.engine) as connection:
            await connection.execute(emptied)

    async def _read(self, connection: AsyncConnection) -> TokenSlot:
        row = (await connection.execute(select(oauth_tokens).where(*self._key()))).one_or_none()
        if row is None:
            return TokenSlot()
        plain = self.cipher.decrypt(row.encrypted_token)
        payload = None if plain is None else msgspec.json.decode(plain, type=_TokenPayload)
        if payload is None or payload.org_id != self.org_id:
            return TokenSlot(None, tuple(row.issued_at))
        return TokenSlot(AccessToken(payload.value, payload.api_url, row.expires_at), tuple(row.issued_at))

    async def _write(
        self, connection: AsyncConnection, token: AccessToken | None, issued_at: tuple[datetime, ...]
    ) -> None:
        """Stores a new token, if any, and the times of requests.

        Nothing is stored for an organization without a row, as in a dry run before the first sync.
        """
        encrypted = b""
        if token is not None:
            payload = _TokenPayload(self.org_id, token.value, token.api_url)
            encrypted = self.cipher.encrypt(msgspec.json.encode(payload))
        values = {
            "org_id": self.org_id,
            "credential_fingerprint": self.fingerprint,
            "encrypted_token": encrypted,
            "expires_at": issued_at[-1] if token is None else token.expires_at,
            "issued_at": list(issued_at)[-20:],
        }
        columns = [literal(value, oauth_tokens.c[name].type).label(name) for name, value in values.items()]
        known = exists().where(orgs.c.org_id == self.org_id)
        statement = insert(oauth_tokens).from_select(list(values), select(*columns).where(known))
        renewed = ("issued_at",) if token is None else ("encrypted_token", "expires_at", "issued_at")
        new = {name: statement.excluded[name] for name in renewed}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["org_id", "credential_fingerprint"], set_=new)
        )

    def _key(self) -> tuple[Any, ...]:
        columns = oauth_tokens.c
        return columns.org_id == self.org_id, columns.credential_fingerprint == self.fingerprint
