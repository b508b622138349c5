"""Credentials for another data center: the right one is named, and a grant code that can be spared is."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.db import orgs
from cadence_sync.errors import AccessError
from cadence_sync.orgs.onboarding import NewOrg, add_org
from cadence_sync.ports import Actor
from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from cadence_sync.wiring import SystemClock
from cadence_sync.zoho.data_centers import DATA_CENTERS, Addresses

NOWHERE = "http://127.0.0.1:9"
SETTINGS = Settings(encryption_keys=SecretStr("a-key-of-some-length"), zoho_max_attempts=1)
KNOWN = credentials(1)
"""Known to the one in the EU only."""
ORG = OrgConfig("acme", "us", KNOWN.client_id, KNOWN.client_secret, KNOWN.refresh_token)


@pytest.fixture
def american() -> Simulator:
    return Simulator(orgs=1, cadences=3, clock=SystemClock().now)


@pytest.fixture
def european() -> Simulator:
    return Simulator(orgs=2, cadences=3, clock=SystemClock().now)


@pytest.fixture(autouse=True)
async def world(
    american: Simulator, european: Simulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, str]]:
    """Two data centers that answer, and seven that cannot be reached."""
    async with running(american) as us, running(european) as eu:
        for name in DATA_CENTERS:
            url = {"us": us, "eu": eu}.get(name, NOWHERE)
            monkeypatch.setitem(DATA_CENTERS, name, Addresses(url, url))
        yield {"us": us, "eu": eu}


async def refused(engine: AsyncEngine, application: NewOrg) -> AccessError:
    """Return why an application was refused, and check that it left nothing."""
    with pytest.raises(AccessError) as caught:
        await add_org(SETTINGS, engine, application, Actor("ana"))
    assert await orgs.load_orgs(engine) == {}
    return caught.value


async def test_a_refresh_token_of_another_data_center(engine: AsyncEngine) -> None:
    error = await refused(engine, NewOrg(ORG))
    assert (error.code, "but for eu" in error.message, "--data-center eu" in error.hint) == (
        "WRONG_DATA_CENTER",
        True,
        True,
    )
    await add_org(SETTINGS, engine, NewOrg(replace(ORG, data_center="eu")), Actor("ana"))
    assert (await orgs.load_orgs(engine))["acme"].data_center == "eu"


@pytest.mark.parametrize("form", [NewOrg(ORG), NewOrg(replace(ORG, refresh_token=""), KNOWN.grant_code)])
async def test_a_client_of_another_data_center_costs_neither_a_token_nor_the_grant_code(
    engine: AsyncEngine, american: Simulator, european: Simulator, form: NewOrg
) -> None:
    american.faults.add(Fault("status", target="token", status=200, code="invalid_client", times=9))
    error = await refused(engine, form)
    assert (error.code, "but for eu" in error.message, "new code" in error.hint) == ("WRONG_DATA_CENTER", True, False)
    assert european.tokens._issued == {}
    await add_org(SETTINGS, engine, replace(form, org=replace(form.org, data_center="eu")), Actor("ana"))


async def test_a_grant_code_that_fits_elsewhere_is_used_by_finding_out(engine: AsyncEngine) -> None:
    error = await refused(engine, NewOrg(replace(ORG, refresh_token=""), KNOWN.grant_code))
    assert (error.code, "a new code" in error.hint) == ("WRONG_DATA_CENTER", True)


async def test_what_no_data_center_knows_is_said_so(engine: AsyncEngine) -> None:
    assert (await refused(engine, NewOrg(replace(ORG, refresh_token="none")))).code == "INVALID_CODE"
    assert (await refused(engine, NewOrg(replace(ORG, refresh_token=""), "none"))).code == "INVALID_GRANT_CODE"
    secret = replace(ORG, client_secret="wrong")
    assert (await refused(engine, NewOrg(secret))).code == "INVALID_CLIENT_SECRET"


async def test_an_address_of_one_s_own_is_the_only_one_asked(
    engine: AsyncEngine, european: Simulator, world: dict[str, str]
) -> None:
    error = await refused(engine, NewOrg(replace(ORG, accounts_url=world["us"])))
    assert (error.code, list(european.journal.requests)) == ("INVALID_CODE", [])
