"""Credentials of organizations that were added: encrypted, and only under keys that the database does not hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Column, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.db.crypto import Cipher, make_cipher
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import oauth_tokens, org_credentials
from cadence_sync.errors import SettingsError


class _CredentialsPayload(msgspec.Struct, omit_defaults=True):
    """What is encrypted; with the organization, so that no row can stand in for another's."""

    org_id: str
    data_center: str
    client_id: str
    client_secret: str
    refresh_token: str
    api_url: str | None = None
    accounts_url: str | None = None


def decrypt_org(keys: Sequence[str], org_id: str, encrypted: bytes) -> OrgConfig:
    """Returns what was stored; raises `SettingsError` where no key fits, or the row is another organization's."""
    plain = make_cipher(keys).decrypt(encrypted)
    payload = None if plain is None else msgspec.json.decode(plain, type=_CredentialsPayload)
    if payload is None or payload.org_id != org_id:
        raise _wrong_keys([f"credentials of {org_id!r}"])
    return OrgConfig(**msgspec.structs.asdict(payload), stored=True)


async def store_credentials(connection: AsyncConnection, cipher: Cipher, org: OrgConfig) -> None:
    """Writes an organization's credentials, in place of those that it had."""
    payload = msgspec.convert(org, _CredentialsPayload, from_attributes=True)
    new = {"encrypted_credentials": cipher.encrypt(msgspec.json.encode(payload)), "updated_at": func.now()}
    statement = insert(org_credentials).values(org_id=org.org_id, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["org_id"], set_=new))


async def delete_credentials(connection: AsyncConnection, org_id: str) -> None:
    """Deletes an organization's credentials and its cached tokens."""
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
        """Raises `SettingsError` if anything is lost."""
        if self.lost:
            raise _wrong_keys(self.lost)


async def rotate_keys(engine: AsyncEngine, keys: Sequence[str]) -> Rotation:
    """Encrypts everything under the first key, in one transaction; rows that are so already stay untouched."""
    cipher, done = make_cipher(keys), Rotation()
    # A token that has ended is no loss, whatever it was encrypted under.
    ended = oauth_tokens.c.expires_at < func.now()
    with translate_errors():
        async with engine.begin() as connection:
            await check_migrated(connection)
            done.credentials = await _rotate(
                connection, cipher, org_credentials.c.encrypted_credentials, "credentials", done
            )
            await connection.execute(oauth_tokens.update().where(ended).values(encrypted_token=b""))
            done.tokens = await _rotate(connection, cipher, oauth_tokens.c.encrypted_token, "access token", done)
    return done


async def _rotate(
    connection: AsyncConnection, cipher: Cipher, encrypted: Column[Any], what: str, done: Rotation
) -> int:
    key = list(encrypted.table.primary_key)
    rows = await connection.execute(
        select(*key, encrypted.label("old")).where(func.length(encrypted) > 0).order_by(*key).with_for_update()
    )
    new = list(_encrypt_again(cipher, rows.mappings(), what, done))
    if new:
        same_row = [part == bindparam(f"key_{part.name}") for part in key]
        statement = update(encrypted.table).where(*same_row).values({encrypted: bindparam("new")})
        await connection.execute(
            statement, [{"new": row["new"]} | {f"key_{part.name}": row[part.name] for part in key} for row in new]
        )
    return len(new)


def _encrypt_again(cipher: Cipher, rows: Iterable[Any], what: str, done: Rotation) -> Iterable[dict[str, Any]]:
    for row in rows:
        if cipher.is_current(row["old"]):
            done.current += 1
        elif (plain := cipher.decrypt(row["old"])) is None:
            done.lost.append(f"{what} of {row['org_id']!r}")
        else:
            yield dict(row) | {"new": cipher.encrypt(plain)}


def _wrong_keys(lost: Sequence[str]) -> SettingsError:
    return SettingsError(
        f"None of CADENCE_SYNC_ENCRYPTION_KEYS fits the {', the '.join(lost)}.",
        hint="Add the key that they were stored under to the list, or store them anew with `org add --replace`.",
        code="WRONG_ENCRYPTION_KEYS",
    )
