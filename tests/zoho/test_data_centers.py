"""Credentials for another data center: the right one is named, and a grant code that can be spared is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.cli import init_questions
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.db import orgs
from cadence_sync.errors import AccessError
from cadence_sync.orgs.onboarding import InMemoryTokenCache, NewOrg, add_org
from cadence_sync.ports import Actor
from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from cadence_sync.wiring import SystemClock
from cadence_sync.zoho.data_centers import DATA_CENTERS, Addresses

DOCUMENTED = dict(DATA_CENTERS)
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


async def refused(engine: AsyncEngine, application: NewOrg, *probe: str) -> AccessError:
    """Return why an application was refused, and check that it left nothing."""
    with pytest.raises(AccessError) as caught:
        await add_org(SETTINGS, engine, application, Actor("ana"), probe=probe or tuple(DATA_CENTERS))
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


@pytest.mark.parametrize("probe", [(), ("us", "in")])
async def test_a_data_center_that_nobody_named_gets_no_secret(
    engine: AsyncEngine, european: Simulator, probe: tuple[str, ...]
) -> None:
    for application in (
        NewOrg(ORG),
        NewOrg(replace(ORG, client_id="1000.X")),
        NewOrg(replace(ORG, refresh_token=""), "x"),
    ):
        with pytest.raises(AccessError) as caught:
            await add_org(SETTINGS, engine, application, Actor("ana"), probe=probe)
        assert caught.value.code in {"INVALID_CODE", "INVALID_CLIENT", "INVALID_GRANT_CODE"}
    assert list(european.journal.requests) == []


@pytest.mark.parametrize("named", ["", "eu"])
async def test_init_tries_the_data_centers_that_are_named_to_it(
    european: Simulator, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setattr("cadence_sync.cli.prompts.prompt", lambda *_, **__: named)
    monkeypatch.setattr(init_questions, "run", asyncio.run)  # which needs no signals, so that a thread may call it
    with pytest.raises(AccessError) as caught:
        await asyncio.to_thread(init_questions._verify, SETTINGS, NewOrg(ORG), InMemoryTokenCache())
    assert caught.value.code == ("WRONG_DATA_CENTER" if named else "INVALID_CODE")
    assert bool(european.journal.requests) == bool(named)


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


@pytest.mark.parametrize("data_center", DOCUMENTED)
def test_a_token_is_believed_about_hosts_of_its_data_center_only(data_center: str) -> None:
    addresses = DOCUMENTED[data_center]
    (domain, *_) = addresses.api_domains
    for url in (addresses.api, f"https://{domain}", f"https://sandbox.{domain}", f"https://developer.{domain}:443"):
        assert addresses.trusts(url), url
    (other,) = DOCUMENTED["in" if data_center != "in" else "us"].api_domains
    for url in (
        f"https://www.{other}",
        f"https://www.{domain}.evil.example",
        f"https://evil{domain}",
        f"https://evil.example/{domain}",
        f"https://www.{domain}:8443",
        "http://127.0.0.1:8000",
        "https://localhost",
        "https://zoho.test",
    ):
        assert not addresses.trusts(url), url


def test_an_accounts_host_of_one_s_own_is_believed_about_itself_and_zoho() -> None:
    for accounts, url, trusted in (
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787", True),
        ("http://127.0.0.1:8787", "http://localhost:9", True),
        ("http://127.0.0.1:8787", "https://evil.example", False),
        ("https://gateway.example", "https://gateway.example:8443", True),
        ("https://gateway.example", "https://www.zohoapis.eu", True),
        ("https://gateway.example", "http://127.0.0.1:8787", False),
    ):
        assert replace(DOCUMENTED["eu"], accounts=accounts).trusts(url) is trusted, (accounts, url)
