"""How a daemon reaches the organizations of its jobs, whatever becomes of them while it runs."""

from dataclasses import replace

import pytest

from cadence_sync.db import directory
from cadence_sync.db.secrets import vault_of
from cadence_sync.errors import SettingsError
from cadence_sync.orgs import OrgConfig
from cadence_sync.ports import UNKNOWN_ORG
from cadence_sync.roster import Configs
from cadence_sync.settings import Settings
from tests.support.lab import Lab

KEY, OTHER = "a-key-of-some-length", "another-key-of-some-length"
ORG = OrgConfig("a", "us", "id", "secret", "token")


def settings(key: str) -> Settings:
    return Settings(encryption_keys=key)  # type: ignore[arg-type]


async def admit(lab: Lab, org: OrgConfig = ORG, *, again: bool = False) -> None:
    await directory.admit(lab.engine, vault_of([KEY]), org, None, replace=again)


async def test_new_credentials_and_a_removal_are_met_by_the_next_job(lab: Lab) -> None:
    configs = Configs(settings(KEY), lab.engine, {})
    await admit(lab)
    assert [(await configs.of("a")).refresh_token for _ in range(2)] == ["token"] * 2
    await admit(lab, replace(ORG, refresh_token="newer"), again=True)
    assert (await configs.of("a")).refresh_token == "newer"
    await directory.remove(lab.engine, "a")
    for org_id in ("a", "never"):
        with pytest.raises(SettingsError) as caught:
            await configs.of(org_id)
        assert caught.value.code == UNKNOWN_ORG
    assert not configs._stored


async def test_a_daemon_whose_keys_open_nothing_does_not_start(lab: Lab) -> None:
    await Configs(settings(OTHER), lab.engine, {}).check()
    await admit(lab)
    await Configs(settings(KEY), lab.engine, {}).check()
    await Configs(settings(OTHER), lab.engine, {"b": ORG}).check()
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS"):
        await Configs(settings(OTHER), lab.engine, {}).check()
