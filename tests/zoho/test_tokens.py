"""The token endpoint's odd answers, from a mock, and its refusals, from the simulator."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aioresponses import aioresponses

from cadence_sync.core.digest_index import EMPTY_INDEX
from cadence_sync.errors import CadenceSyncError
from cadence_sync.ports import PagingHint
from tests.support.lab import START, SetClock
from tests.support.records import listing, record
from tests.support.zoho import MemoryTokens, answer, org_at, zoho_source
from tests.zoho.conftest import Zoho

ACCOUNTS = "https://accounts.zoho.test"
TOKEN = f"{ACCOUNTS}/oauth/v2/token"


@pytest.fixture
def mock() -> Iterator[aioresponses]:
    with aioresponses() as mock:
        yield mock


def org(**changes: Any) -> Any:
    return org_at("", api_url=None, accounts_url=ACCOUNTS, **changes)


async def failure(settings: dict[str, Any] | None = None, **changes: Any) -> CadenceSyncError:
    async with zoho_source(org(**changes), **({"zoho_max_attempts": 1} | (settings or {}))) as source:
        with pytest.raises(CadenceSyncError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    return caught.value


ODD: list[tuple[dict[str, Any], str, int]] = [
    ({"status": 200, "payload": {"error": "invalid_code"}}, "INVALID_CODE", 3),
    ({"status": 400, "payload": {"error": "invalid_client"}}, "INVALID_CLIENT", 3),
    ({"status": 200, "payload": {"error": "invalid_client_secret"}}, "INVALID_CLIENT_SECRET", 3),
    ({"status": 400, "payload": {"error": "Access Denied"}}, "TOKEN_LIMIT", 3),
    ({"status": 200, "payload": {"error": "a_new_word"}}, "TOKEN_REFUSED", 3),
    ({"status": 200, "body": "<html>Sign in</html>"}, "INVALID_RESPONSE", 4),
    ({"status": 200, "body": ""}, "INVALID_RESPONSE", 4),
    ({"status": 200, "payload": {"access_token": ""}}, "INVALID_RESPONSE", 4),
    ({"status": 200, "payload": {"access_token": "a\nHost: b"}}, "INVALID_RESPONSE", 4),
    ({"status": 200, "payload": ["access_token"]}, "INVALID_RESPONSE", 4),
    ({"status": 200, "body": b"[" * 100_000}, "INVALID_RESPONSE", 4),
    ({"status": 200, "body": b'{"access_token":"\xff"}'}, "INVALID_RESPONSE", 4),
    ({"status": 429, "body": "slow down"}, "TOKEN_LIMIT", 3),
    ({"status": 503, "body": "later"}, "ZOHO_UNAVAILABLE", 4),
    ({"status": 302, "headers": {"Location": "https://elsewhere.test"}}, "REDIRECT", 4),
]


@pytest.mark.parametrize(("how", "code", "exit_code"), ODD, ids=[str(how)[:60] for how, *_ in ODD])
async def test_an_odd_token_answer_is_recognized(
    mock: aioresponses, how: dict[str, Any], code: str, exit_code: int
) -> None:
    answer(mock, "POST", TOKEN, **how)
    error = await failure()
    assert (error.code, error.exit_code) == (code, exit_code)


async def test_a_token_answer_without_a_lifetime_and_with_an_api_domain_is_used(mock: aioresponses) -> None:
    answer(mock, "POST", TOKEN, payload={"access_token": "t", "api_domain": "https://sandbox.zohoapis.com"})
    page = re.compile(r"https://sandbox\.zohoapis\.com/crm/v7/settings/automation/cadences\?.*")
    answer(mock, "GET", page, body=listing([record("1")]))
    async with zoho_source(org()) as source:
        assert [s.cadence_id for s in (await source.fetch_listing(PagingHint(), EMPTY_INDEX)).changed] == ["1"]
    (request,) = [key for key in mock.requests if key[0] == "GET"]
    assert mock.requests[request][0].kwargs["headers"]["Authorization"] == "Zoho-oauthtoken t"


async def test_an_api_domain_in_plain_http_is_refused(mock: aioresponses) -> None:
    answer(mock, "POST", TOKEN, payload={"access_token": "t", "api_domain": "http://api.zoho.test"})
    assert (await failure()).code == "INVALID_RESPONSE"


@pytest.mark.parametrize("host", ["evil.example", "www.zohoapis.eu", "www.zohoapis.com.evil.example", "127.0.0.1"])
async def test_a_token_is_not_sent_to_a_foreign_host(mock: aioresponses, host: str) -> None:
    answer(mock, "POST", TOKEN, payload={"access_token": "t", "api_domain": f"https://{host}"})
    cache = MemoryTokens()
    async with zoho_source(org(), cache, zoho_max_attempts=1) as source:
        with pytest.raises(CadenceSyncError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert (caught.value.code, caught.value.exit_code) == ("FOREIGN_API_HOST", 4)
    assert [method for method, _ in mock.requests] == ["POST"]
    # Zoho counts the token that is thrown away.
    assert (cache.token, len(cache.issued_at)) == (None, 1)


async def test_the_configured_api_address_beats_the_api_domain(zoho: Zoho) -> None:
    async with zoho_source(org_at(zoho.url)) as source:
        await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert zoho.simulator.journal.counts["list"] == 1


async def test_secrets_travel_in_the_form_and_never_in_the_address(mock: aioresponses) -> None:
    answer(mock, "POST", TOKEN, payload={"error": "invalid_code"})
    await failure()
    ((_, url), calls), *others = mock.requests.items()
    assert not others
    assert str(url) == TOKEN
    assert calls[0].kwargs["data"].keys() == {"grant_type", "client_id", "client_secret", "refresh_token"}


WRONG = [
    ("client_id", "INVALID_CLIENT"),
    ("client_secret", "INVALID_CLIENT_SECRET"),
    ("refresh_token", "INVALID_CODE"),
]


@pytest.mark.parametrize(("part", "code"), WRONG)
async def test_a_wrong_credential_is_named(zoho: Zoho, part: str, code: str) -> None:
    async with zoho_source(org_at(zoho.url, **{part: "wrong"})) as source:
        with pytest.raises(CadenceSyncError) as caught:
            await source.fetch_listing(PagingHint(), EMPTY_INDEX)
    assert (caught.value.code, caught.value.exit_code) == (code, 3)


@pytest.mark.parametrize("lifetime", ["1" + "0" * 400, "-5", "0", "1e300", '"3600"', "null", "true"])
async def test_a_lifetime_that_is_none_is_an_hour(mock: aioresponses, lifetime: str) -> None:
    answer(mock, "POST", TOKEN, body=f'{{"access_token": "t", "expires_in": {lifetime}}}')
    answer(mock, "GET", re.compile(r"https://www\.zohoapis\.com/.*"), body=listing([record("1")]))
    cache = MemoryTokens()
    async with zoho_source(org(), cache, SetClock()) as source:
        assert [s.cadence_id for s in (await source.fetch_listing(PagingHint(), EMPTY_INDEX)).changed] == ["1"]
    assert cache.token is not None
    assert cache.token.expires_at - START == timedelta(hours=1)
