"""How a daemon reaches the organizations of its jobs, whatever becomes of them while it runs."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.db import orgs
from cadence_sync.db.cipher import Cipher
from cadence_sync.errors import UNKNOWN_ORG, ArgumentError, SettingsError
from cadence_sync.orgs.registry import OrgConfigCache
from cadence_sync.ports import Actor
from tests.support.lab import Lab

KEY, OTHER = "a-key-of-some-length", "another-key-of-some-length"
ORG = OrgConfig("a", "us", "id", "secret", "token")


def settings(key: str) -> Settings:
    return Settings(encryption_keys=key)  # type: ignore[arg-type]


async def admit(lab: Lab, org: OrgConfig = ORG, *, again: bool = False) -> None:
    await orgs.upsert_org(lab.engine, Cipher([KEY]), org, None, Actor("ana"), replace=again)


async def test_new_credentials_and_a_removal_are_met_by_the_next_job(lab: Lab) -> None:
    configs = OrgConfigCache(settings(KEY), lab.engine, {})
    await admit(lab)
    assert [(await configs.get("a")).refresh_token for _ in range(2)] == ["token"] * 2
    await admit(lab, replace(ORG, refresh_token="newer"), again=True)
    assert (await configs.get("a")).refresh_token == "newer"
    await orgs.remove_org(lab.engine, "a", Actor("ana"))
    for org_id in ("a", "never"):
        with pytest.raises(SettingsError) as caught:
            await configs.get(org_id)
        assert caught.value.code == UNKNOWN_ORG
    assert not configs._stored


async def test_of_two_that_add_one_organization_at_once_the_second_is_refused(lab: Lab) -> None:
    async with lab.engine.begin() as first, asyncio.timeout(9):
        await first.execute(text("INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('a', 'us')"))
        await first.execute(
            text("INSERT INTO cadence_sync.org_credentials (org_id, encrypted_credentials) VALUES ('a', '')")
        )
        second = asyncio.create_task(admit(lab))
        while not await lab.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not second.done()
            await asyncio.sleep(0.01)
    with pytest.raises(ArgumentError) as caught:
        await second
    assert caught.value.code == "ORG_EXISTS"


async def test_a_daemon_whose_keys_open_nothing_does_not_start(lab: Lab) -> None:
    await OrgConfigCache(settings(OTHER), lab.engine, {}).check()
    await admit(lab)
    await OrgConfigCache(settings(KEY), lab.engine, {}).check()
    await OrgConfigCache(settings(OTHER), lab.engine, {"b": ORG}).check()
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS"):
        await OrgConfigCache(settings(OTHER), lab.engine, {}).check()
