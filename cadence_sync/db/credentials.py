"""Credentials of organizations that were added: encrypted, and only under keys that the database does not hold."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import Column, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.db import audit
from cadence_sync.db.cipher import Cipher
from cadence_sync.db.engine import transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables.running import oauth_tokens, org_credentials
from cadence_sync.errors import SettingsError
from cadence_sync.ports import Actor


def decrypt_org(keys: Sequence[str], org_id: str, encrypted: bytes) -> OrgConfig:
    """Returns what was stored; raises `SettingsError` where no key fits, or the row is another organization's."""
    plain = Cipher(keys).decrypt(encrypted)
    org = None if plain is None else msgspec.json.decode(plain, type=OrgConfig)
    if org is None or org.org_id != org_id:
        raise _wrong_keys([f"credentials of {org_id!r}"])
    return replace(org, stored=True)


async def store_credentials(connection: AsyncConnection, cipher: Cipher, org: OrgConfig) -> None:
    # Encrypted with the organization's id, so that no row can stand in for another's.
    new = {"encrypted_credentials": cipher.encrypt(msgspec.json.encode(org)), "updated_at": func.now()}
    statement = insert(org_credentials).values(org_id=org.org_id, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["org_id"], set_=new))


async def delete_credentials(connection: AsyncConnection, org_id: str) -> None:
    for table in (org_credentials, oauth_tokens):
        await connection.execute(table.delete().where(table.c.org_id == org_id))


@dataclass(slots=True)
class Rotation:
    """The result of a key rotation, as numbers of rows."""

    credentials: int = 0
    tokens: int = 0
    current: int = 0
    """Rows that were under the first key already."""
    lost: list[str] = field(default_factory=list)
    """What no key fits, in words."""

    def check(self) -> None:
        if self.lost:
            raise _wrong_keys(self.lost)


async def rotate_keys(engine: AsyncEngine, keys: Sequence[str], by: Actor) -> Rotation:
    """Encrypts everything under the first key, in one transaction; rows that are so already stay untouched."""
    cipher, done = Cipher(keys), Rotation()
    # A token that has ended is no loss, whatever it was encrypted under.
    ended = oauth_tokens.c.expires_at < func.now()
    async with transaction(engine) as connection:
        await check_migrated(connection)
        stored = org_credentials.c.encrypted_credentials
        done.credentials = await _rotate(connection, cipher, stored, "credentials", done)
        await connection.execute(oauth_tokens.update().where(ended).values(encrypted_token=b""))
        done.tokens = await _rotate(connection, cipher, oauth_tokens.c.encrypted_token, "access token", done)
        await audit.enter(connection, by, "rotate-keys", "rotated", details=asdict(done))
    return done


async def _rotate(
    connection: AsyncConnection, cipher: Cipher, encrypted: Column[Any], what: str, done: Rotation
) -> int:
    key, rotated = list(encrypted.table.primary_key), 0
    stored = select(*key, encrypted.label("old")).where(func.length(encrypted) > 0).order_by(*key).with_for_update()
    for row in (await connection.execute(stored)).mappings().all():
        if cipher.is_current(row["old"]):
            done.current += 1
        elif (plain := cipher.decrypt(row["old"])) is None:
            done.lost.append(f"{what} of {row['org_id']!r}")
        else:
            same_row = (part == row[part.name] for part in key)
            new = {encrypted: cipher.encrypt(plain)}
            await connection.execute(update(encrypted.table).where(*same_row).values(new))
            rotated += 1
    return rotated


def _wrong_keys(lost: Sequence[str]) -> SettingsError:
    return SettingsError(
        f"None of CADENCE_SYNC_ENCRYPTION_KEYS fits the {', the '.join(lost)}.",
        hint="Add the key that they were stored under to the list, or store them anew with `org add --replace`.",
        code="WRONG_ENCRYPTION_KEYS",
    )
