"""Named access tokens: who they let in as whom, until when, and that their secrets are nowhere."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.core.identity import Identity, Role
from cadence_sync.db import access_tokens
from cadence_sync.db.access_tokens import PREFIX, USED_EVERY, NewToken, create_token, find_token, load_token
from cadence_sync.db.engine import open_engine
from cadence_sync.db.orgs import purge
from cadence_sync.errors import ArgumentError, NotFoundError
from cadence_sync.ports import Actor, Org
from tests.support.databases import database_in
from tests.support.lab import START, Lab
from tests.support.records import record

DAY = timedelta(days=1)
_ROW = """
    INSERT INTO cadence_sync.access_tokens (name, digest, role, created_by, orgs)
    VALUES ('x', sha256('x'), 'viewer', 'somebody', NULL)
"""


async def created(
    engine: AsyncEngine, name: str = "ci", role: Role = "viewer", orgs: list[str] | None = None, **ends: Any
) -> str:
    secret, _ = await create_token(engine, NewToken(name, role, orgs, ends.get("expires_at")), Actor("maria"))
    return secret


async def test_a_secret_is_looked_up_as_an_identity(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1"), org=Org("acme", "eu"))
    wide = await created(lab.engine, "wide", "reviewer")
    narrow = await created(lab.engine, "narrow", orgs=["acme", "acme"])
    found = await find_token(lab.engine, wide, START)
    assert found is not None
    assert found.identity == Identity("wide", "reviewer", None)
    assert await load_token(lab.engine, found.token_id, START) == found
    other = await find_token(lab.engine, narrow, START)
    assert other is not None
    assert other.identity == Identity("narrow", "viewer", frozenset({"acme"}))
    assert other.token_id != found.token_id


async def test_a_secret_is_long_recognizable_and_stored_nowhere(lab: Lab) -> None:
    secrets = {await created(lab.engine, f"t{number}") for number in range(3)}
    stored = str(await lab.rows("SELECT t::text FROM cadence_sync.access_tokens AS t"))
    assert len(secrets) == 3
    for secret in secrets:
        assert secret.startswith(PREFIX)
        assert len(secret) >= len(PREFIX) + 43  # 256 bits in base 64
        assert secret not in stored
        assert secret.encode().hex() not in stored
        assert secret not in repr(await find_token(lab.engine, secret, START))


async def test_nothing_else_is_found(lab: Lab) -> None:
    secret = await created(lab.engine)
    for wrong in (
        "",
        PREFIX,
        secret[:-1],
        f"{secret}x",
        secret.removeprefix(PREFIX),
        secret.upper(),
        f"{PREFIX}\ud800\0",
    ):
        assert await find_token(lab.engine, wrong, START) is None
    assert await load_token(lab.engine, 10**9, START) is None


async def test_an_expired_one_is_not_found_from_that_instant_on(lab: Lab) -> None:
    secret = await created(lab.engine, expires_at=START + DAY)
    found = await find_token(lab.engine, secret, START + DAY - timedelta(microseconds=1))
    assert found is not None
    assert found.expires_at == START + DAY
    assert await find_token(lab.engine, secret, START + DAY) is None
    assert await load_token(lab.engine, found.token_id, START + DAY) is None


async def test_a_revoked_one_is_not_found_and_its_name_is_free(lab: Lab) -> None:
    secret = await created(lab.engine)
    found = await find_token(lab.engine, secret, START)
    assert found is not None
    with pytest.raises(ArgumentError) as refused:
        await created(lab.engine)
    assert (refused.value.code, refused.value.exit_code) == ("TOKEN_EXISTS", 2)
    await access_tokens.revoke_token(lab.engine, "ci", Actor("jean"))
    assert await find_token(lab.engine, secret, START) is None
    assert await load_token(lab.engine, found.token_id, START) is None
    with pytest.raises(NotFoundError):
        await access_tokens.revoke_token(lab.engine, "ci", Actor("jean"))
    again = await find_token(lab.engine, await created(lab.engine), START)
    assert again is not None
    assert again.token_id != found.token_id
    assert [row["revoked_by"] for row in await access_tokens.list_tokens(lab.engine)] == [None]
    every = await access_tokens.list_tokens(lab.engine, revoked=True)
    assert [row["revoked_by"] for row in every] == ["jean", None]
    assert all("digest" not in row for row in every)


async def test_its_last_use_is_written_once_a_minute(lab: Lab) -> None:
    secret = await created(lab.engine)
    written = "SELECT last_used_at, xmin::text AS writer FROM cadence_sync.access_tokens"
    assert (await lab.row(written))["last_used_at"] is None
    found = await find_token(lab.engine, secret, START)
    assert found is not None
    first = await lab.row(written)
    assert first["last_used_at"] == START
    for later in (timedelta(0), USED_EVERY - timedelta(microseconds=1)):
        await find_token(lab.engine, secret, START + later)
        await load_token(lab.engine, found.token_id, START + later)
        assert await lab.row(written) == first
    await load_token(lab.engine, found.token_id, START + USED_EVERY)
    assert (await lab.row(written))["last_used_at"] == START + USED_EVERY


async def test_it_lets_in_where_its_use_cannot_be_written(lab: Lab, database_url: str) -> None:
    secret = await created(lab.engine)
    await lab.execute(f"ALTER DATABASE {database_in(database_url)} SET default_transaction_read_only = on")
    async with open_engine(database_url) as engine:
        assert await find_token(engine, secret, START) is not None
    assert (await lab.row("SELECT last_used_at FROM cadence_sync.access_tokens"))["last_used_at"] is None


async def test_it_does_not_wait_for_one_who_writes_its_row(lab: Lab) -> None:
    secret = await created(lab.engine)
    async with lab.engine.connect() as connection, connection.begin():
        await connection.exec_driver_sql("SELECT FROM cadence_sync.access_tokens FOR UPDATE")
        assert await find_token(lab.engine, secret, START) is not None
    assert (await lab.row("SELECT last_used_at FROM cadence_sync.access_tokens"))["last_used_at"] is None


async def test_an_unknown_organization_is_refused_and_nothing_is_stored(lab: Lab) -> None:
    await lab.sync(record("1"))
    with pytest.raises(ArgumentError) as refused:
        await created(lab.engine, orgs=["default", "defualt"])
    assert (refused.value.code, "defualt" in refused.value.message) == ("UNKNOWN_ORG", True)
    assert await lab.rows("SELECT 1 FROM cadence_sync.access_tokens") == []
    assert await lab.rows("SELECT 1 FROM cadence_sync.audit_log") == []


async def test_what_is_done_to_tokens_is_logged_without_secrets(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1"), org=Org("acme", "eu"))
    secret = await created(lab.engine, orgs=["acme"])
    await access_tokens.revoke_token(lab.engine, "ci", Actor("jean"))
    logged = await lab.rows("SELECT org_id, done_by, action, details FROM cadence_sync.audit_log ORDER BY action_id")
    assert [tuple(row.values()) for row in logged] == [
        (None, "maria", "token create", {"name": "ci", "role": "viewer", "orgs": ["acme"]}),
        (None, "jean", "token revoke", {"name": "ci"}),
    ]
    assert secret not in str(logged)


async def test_a_purged_organization_leaves_the_tokens_alone(lab: Lab) -> None:
    await lab.sync(record("1"))
    secret = await created(lab.engine, orgs=["default"])
    counts = await purge(lab.engine, "default", Actor("test"))
    assert counts["orgs"] == 1
    assert "access_tokens" not in counts
    found = await find_token(lab.engine, secret, START)
    assert found is not None
    assert found.identity == Identity("ci", "viewer", frozenset({"default"}))


@pytest.mark.parametrize(
    ("valid", "broken"),
    [("'viewer'", "'admin'"), ("NULL)", "'{}')"), ("sha256('x')", "'x'"), ("'somebody'", "NULL")],
    ids=["another role", "no organization", "no digest", "nobody"],
)
async def test_the_database_refuses_what_is_no_token(lab: Lab, valid: str, broken: str) -> None:
    with pytest.raises(IntegrityError):
        await lab.execute(_ROW.replace(valid, broken))
    await lab.execute(_ROW)
