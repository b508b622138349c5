"""Access tokens in the database: shared, encrypted, and refreshed by one for all."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync import wiring
from cadence_sync.config.settings import Settings
from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.errors import AccessError, CadenceSyncError, DatabaseError
from cadence_sync.ports import PagingHint, TokenCache
from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from tests.support.lab import Lab, SetClock
from tests.support.zoho import org_at, zoho_source

ROWS = "SELECT * FROM cadence_sync.oauth_tokens"


class Shared:
    """A simulator, a database, and a clock that the test moves."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.clock = SetClock()
        self.simulator = Simulator(cadences=3, clock=self.clock.now)
        self.url = ""

    def cache(self, **settings: object) -> TokenCache:
        chosen = Settings.model_construct(**({"zoho_timeout": 5.0} | settings))  # type: ignore[arg-type]
        return wiring.token_cache(chosen, self.lab.engine, org_at(self.url))

    async def fetch_listing(self, **settings: object) -> None:
        """Listing as a process of its own would, right after its start."""
        async with zoho_source(org_at(self.url), self.cache(**settings), self.clock, **settings) as source:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)

    @property
    def tokens_made(self) -> int:
        return self.simulator.journal.counts["token"]


@pytest.fixture
async def shared(lab: Lab, engine: AsyncEngine) -> AsyncIterator[Shared]:
    assert engine is lab.engine
    shared = Shared(lab)
    await lab.execute("INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('default', 'us')")
    async with running(shared.simulator) as url:
        shared.url = url
        yield shared


async def test_a_token_outlives_the_process_that_fetched_it_until_it_ends(shared: Shared) -> None:
    for _ in range(3):
        await shared.fetch_listing()
    assert shared.tokens_made == 1
    shared.clock.move(minutes=58)
    await shared.fetch_listing()
    assert shared.tokens_made == 1
    shared.clock.move(minutes=1, seconds=30)  # it lives for half a minute more: less than a listing may take
    await shared.fetch_listing()
    assert shared.tokens_made == 2


async def test_many_processes_at_once_fetch_one_token(shared: Shared) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(shared.fetch_listing())
    assert shared.tokens_made == 1


async def test_a_revoked_token_is_replaced_once_for_all(shared: Shared) -> None:
    await shared.fetch_listing()
    shared.simulator.tokens.revoke_all()
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(shared.fetch_listing())
    assert shared.tokens_made == 2


async def test_no_secret_stands_in_the_row(shared: Shared) -> None:
    await shared.fetch_listing()
    row = await shared.lab.row(ROWS)
    token = await shared.cache().load()
    assert token is not None
    stored = bytes(row["encrypted_token"]) + bytes(row["credential_fingerprint"]) + repr(row).encode()
    org = org_at(shared.url)
    for secret in (token.value, org.client_secret, org.refresh_token):
        assert secret.encode() not in stored


async def test_keys_of_the_settings_encrypt_and_can_be_rotated(shared: Shared) -> None:
    old, new = "an old key of some length", "a new key of some length"
    from_settings = Settings(encryption_keys=old)  # type: ignore[arg-type]
    await shared.fetch_listing(encryption_keys=from_settings.encryption_keys)
    both = Settings(encryption_keys=f"{new},{old}")  # type: ignore[arg-type]
    await shared.fetch_listing(encryption_keys=both.encryption_keys)
    assert shared.tokens_made == 1
    only = Settings(encryption_keys=new)  # type: ignore[arg-type]
    await shared.fetch_listing(encryption_keys=only.encryption_keys)
    assert shared.tokens_made == 2


@pytest.mark.parametrize("junk", ["''::bytea", "'\\x00ff'::bytea"])
async def test_a_row_that_cannot_be_decrypted_is_a_miss(shared: Shared, junk: str) -> None:
    await shared.fetch_listing()
    await shared.lab.execute(f"UPDATE cadence_sync.oauth_tokens SET encrypted_token = {junk}")
    await shared.fetch_listing()
    assert shared.tokens_made == 2


async def test_another_organization_s_row_is_no_token_of_this_one(shared: Shared) -> None:
    await shared.fetch_listing()
    await shared.lab.execute(
        "INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('acme', 'us')",
        "UPDATE cadence_sync.oauth_tokens SET org_id = 'acme'",
    )
    acme = dataclasses.replace(org_at(shared.url), org_id="acme")
    chosen = Settings.model_construct(zoho_timeout=5.0)
    assert await wiring.token_cache(chosen, shared.lab.engine, acme).load() is None


async def test_whoever_waits_too_long_for_another_who_refreshes_fails(shared: Shared) -> None:
    async with shared.cache().refreshing(), asyncio.timeout(10):
        with pytest.raises(DatabaseError) as caught:
            await shared.fetch_listing(zoho_timeout=-9.8)
    assert caught.value.code == "LOCKED"
    await shared.fetch_listing()
    assert shared.tokens_made == 1


@pytest.mark.parametrize("part", ["api_url", "accounts_url", "client_id", "client_secret", "refresh_token"])
async def test_a_token_of_other_credentials_or_for_another_host_is_none_of_these(shared: Shared, part: str) -> None:
    keys = Settings(encryption_keys="a key that outlives all credentials").encryption_keys  # type: ignore[arg-type]
    chosen = Settings.model_construct(zoho_timeout=5.0, encryption_keys=keys)
    await shared.fetch_listing(encryption_keys=keys)
    same = org_at(shared.url)
    assert await wiring.token_cache(chosen, shared.lab.engine, same).load() is not None
    other = dataclasses.replace(same, **{part: "https://elsewhere.test"})  # type: ignore[arg-type]
    assert await wiring.token_cache(chosen, shared.lab.engine, other).load() is None


async def test_not_more_than_ten_tokens_are_made_in_ten_minutes_whoever_asks(shared: Shared) -> None:
    for _ in range(10):
        await shared.fetch_listing()
        await shared.cache().drop()
    with pytest.raises(AccessError) as caught:
        await shared.fetch_listing()
    assert (caught.value.code, shared.tokens_made) == ("TOKEN_LIMIT", 10)
    shared.clock.time += timedelta(minutes=11)
    await shared.fetch_listing()
    assert shared.tokens_made == 11


async def test_a_token_of_the_wrong_scope_is_dropped_so_that_a_new_one_is_tried(shared: Shared) -> None:
    shared.simulator.faults.add(Fault("status", status=401, code="OAUTH_SCOPE_MISMATCH"))
    with pytest.raises(AccessError):
        await shared.fetch_listing()
    await shared.fetch_listing()
    assert shared.tokens_made == 2


async def test_a_refresh_that_fails_leaves_the_way_free_for_the_next(shared: Shared) -> None:
    shared.simulator.faults.add(Fault("status", target="token", code="invalid_code"))
    with pytest.raises(AccessError):
        await shared.fetch_listing()
    assert await shared.lab.rows(ROWS) == []
    await shared.fetch_listing()
    assert len(await shared.lab.rows(ROWS)) == 1


async def test_whoever_freezes_while_it_refreshes_is_cut_off(shared: Shared) -> None:
    entered = asyncio.Event()

    async def freeze() -> None:
        async with shared.cache(zoho_timeout=-9.5).refreshing():
            entered.set()
            await asyncio.Event().wait()

    frozen = asyncio.create_task(freeze())
    await entered.wait()
    await shared.fetch_listing()
    assert shared.tokens_made == 1
    frozen.cancel()
    with pytest.raises(DatabaseError):  # the server has closed its connection
        await frozen


LOST: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"kind": "cut"}, "CONNECTION_LOST", {}),
    ({"kind": "truncated"}, "INVALID_RESPONSE", {}),
    ({"kind": "html", "status": 200}, "INVALID_RESPONSE", {}),
    ({"kind": "delay", "delay": 0.5}, "TIMEOUT", {"zoho_timeout": 0.05}),
    ({"kind": "body", "body": b" " * 1_100_000}, "BODY_TOO_LARGE", {"zoho_max_body_mb": 1}),
]


@pytest.mark.parametrize(("fault", "code", "settings"), LOST, ids=[f"{f['kind']} {code}" for f, code, _ in LOST])
async def test_a_token_whose_answer_was_lost_counts_against_the_limit(
    shared: Shared, fault: dict[str, Any], code: str, settings: dict[str, Any]
) -> None:
    shared.simulator.faults.add(Fault(**fault, target="token", times=99))
    codes = []
    for _ in range(12):
        with pytest.raises(CadenceSyncError) as caught:
            await shared.fetch_listing(zoho_max_attempts=1, **settings)
        codes.append(caught.value.code)
    assert codes == [code] * 10 + ["TOKEN_LIMIT"] * 2
    async with asyncio.timeout(10):
        while shared.tokens_made < 10:  # the simulator is still at those that were given up
            await asyncio.sleep(0.01)
    assert shared.tokens_made == 10


async def test_a_lost_answer_leaves_the_stored_token_as_it_is(shared: Shared) -> None:
    await shared.fetch_listing()
    (before,) = await shared.lab.rows(ROWS)
    shared.clock.move(minutes=60)
    shared.simulator.faults.add(Fault("truncated", target="token"))
    with pytest.raises(CadenceSyncError):
        await shared.fetch_listing(zoho_max_attempts=1)
    (after,) = await shared.lab.rows(ROWS)
    assert after["encrypted_token"] == before["encrypted_token"]
    assert len(after["issued_at"]) == 2
