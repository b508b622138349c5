"""Credentials of organizations that were added: encrypted, and only under keys that the database does not hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.crypto import Cipher, make_cipher
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import oauth_tokens, org_credentials
from cadence_sync.errors import SettingsError
from cadence_sync.orgs.config import OrgConfig


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
    """Return what was stored; raises `SettingsError` where no key fits, or the row is another organization's."""
    plain = make_cipher(keys).decrypt(encrypted)
    found = None if plain is None else msgspec.json.decode(plain, type=_CredentialsPayload)
    if found is None or found.org_id != org_id:
        raise _lost([f"credentials of {org_id!r}"])
    return OrgConfig(**msgspec.structs.asdict(found), stored=True)


async def store_credentials(connection: AsyncConnection, cipher: Cipher, org: OrgConfig) -> None:
    """Write an organization's credentials, in place of those that it had."""
    known = _CredentialsPayload(**{name: getattr(org, name) for name in _CredentialsPayload.__struct_fields__})
    encrypted = cipher.encrypt(msgspec.json.encode(known))
    statement = insert(org_credentials).values(org_id=org.org_id, encrypted_credentials=encrypted)
    new = {"encrypted_credentials": encrypted, "updated_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["org_id"], set_=new))


async def delete_credentials(connection: AsyncConnection, org_id: str) -> None:
    """Delete an organization's credentials and its cached tokens."""
    for table in (org_credentials, oauth_tokens):
        await connection.execute(table.delete().where(table.c.org_id == org_id))


@dataclass(slots=True)
class Rotation:
    """What became of all that is encrypted."""

    credentials: int = 0
    tokens: int = 0
    current: int = 0
    """What was under the first key already."""
    lost: list[str] = field(default_factory=list)
    """What no key fits, in words."""

    def check(self) -> None:
        """Raise `SettingsError` if anything is lost."""
        if self.lost:
            raise _lost(self.lost)


async def rotate_keys(engine: AsyncEngine, keys: Sequence[str]) -> Rotation:
    """Encrypt everything under the first key, in one transaction; what is so already is left alone."""
    cipher, done = make_cipher(keys), Rotation()
    with translate_errors():
        async with engine.begin() as connection:
            await check_migrated(connection)
            done.credentials = await _rotate(
                connection, cipher, org_credentials, "encrypted_credentials", "credentials", done
            )
            # A token that has ended is no loss, whatever it was encrypted under.
            ended = oauth_tokens.c.expires_at < func.now()
            emptied = oauth_tokens.update().where(ended).values(encrypted_token=b"")
            await connection.execute(emptied)
            done.tokens = await _rotate(connection, cipher, oauth_tokens, "encrypted_token", "access token", done)
    return done


async def _rotate(
    connection: AsyncConnection, cipher: Cipher, table: Table, column: str, what: str, done: Rotation
) -> int:
    key = list(table.primary_key)
    encrypted = table.c[column]
    rows = await connection.execute(
        select(*key, encrypted.label("sealed")).where(func.length(encrypted) > 0).order_by(*key).with_for_update()
    )
    new = list(_renewed(cipher, rows.mappings(), what, done))
    if new:
        mine = [part == bindparam(f"key_{part.name}") for part in key]
        statement = table.update().where(*mine).values({column: bindparam("new")})
        await connection.execute(
            statement, [{"new": row["new"]} | {f"key_{part.name}": row[part.name] for part in key} for row in new]
        )
    return len(new)


def _renewed(cipher: Cipher, rows: Iterable[Any], what: str, done: Rotation) -> Iterable[dict[str, Any]]:
    for row in rows:
        if cipher.is_current(row["sealed"]):
            done.current += 1
        elif (plain := cipher.decrypt(row["sealed"])) is None:
            done.lost.append(f"{what} of {row['org_id']!r}")
        else:
            yield dict(row) | {"new": cipher.encrypt(plain)}


def _lost(what: Sequence[str]) -> SettingsError:
    return SettingsError(
        f"None of CADENCE_SYNC_ENCRYPTION_KEYS fits the {', the '.join(what)}.",
        hint="Add the key that they were stored under to the list, or store them anew with `org add --replace`.",
        code="WRONG_ENCRYPTION_KEYS",
    )
