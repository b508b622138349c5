import asyncio
from typing import Any

import pytest

from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import CLIENT_ID, CLIENT_SECRET, credentials
from tests.simulator.client import LIST, Caller, Clock, error

V7 = LIST.format("v7")


def test_credentials_are_numbered() -> None:
    mine = credentials(3)
    assert (mine.client_id, mine.client_secret) == (CLIENT_ID, CLIENT_SECRET)
    assert (CLIENT_ID, CLIENT_SECRET) == ("1000.SIMULATOR", "simulator-secret")
    assert mine.refresh_token == "simulator-refresh-3"


async def test_a_token_answer(caller: Caller) -> None:
    status, body = await caller.token()
    assert status == 200
    assert body.pop("access_token").startswith("1000.")
    assert body == {"api_domain": caller.base, "token_type": "Bearer", "expires_in": 3600}


async def test_expires_in_may_be_missing(caller: Caller, sim: Simulator) -> None:
    sim.settings.send_expires_in = False
    assert "expires_in" not in (await caller.token())[1]


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"refresh_token": "simulator-refresh-2"}, "invalid_code"),
        ({"refresh_token": ""}, "invalid_code"),
        ({"client_id": "1000.OTHER"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client_secret"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "nonsense"}, "invalid_code"),
        ({"grant_type": "authorization_code", "code": "simulator-code-2"}, "invalid_code"),
    ],
)
async def test_refusals_come_as_200_with_an_error(caller: Caller, form: dict[str, str], word: str) -> None:
    assert await caller.token(form=form) == (200, {"error": word})


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token", "code"])
async def test_secrets_in_the_url_are_refused(caller: Caller, sim: Simulator, name: str) -> None:
    mine = credentials(0)
    form = {"grant_type": "refresh_token", "client_id": mine.client_id, "client_secret": mine.client_secret}
    async with caller.session.post(
        f"{caller.base}/oauth/v2/token",
        params={name: "very-secret"},
        data=form | {"refresh_token": mine.refresh_token},
    ) as answer:
        assert answer.status == 400
        assert "error" in await answer.json()
    entry = sim.journal.requests[-1]
    assert entry.query == {name: "***"}
    assert "very-secret" not in str(entry)


async def test_a_grant_code_gives_the_refresh_token_once(caller: Caller) -> None:
    form = {"grant_type": "authorization_code", "code": credentials(1).grant_code, "refresh_token": ""}
    status, body = await caller.token(form=form)
    assert (status, body["refresh_token"]) == (200, credentials(1).refresh_token)
    caller.access_token = body["access_token"]
    assert (await caller.get(V7))[0] == 200
    assert await caller.token(form=form) == (200, {"error": "invalid_code"})
    assert "refresh_token" in (await caller.token(form=form | {"code": "simulator-code-1-b"}))[1]


async def test_ten_tokens_in_ten_minutes(caller: Caller, clock: Clock) -> None:
    clock.forward(1)
    for _ in range(9):  # the fixture took the first
        assert "access_token" in (await caller.token())[1]
    status, body = await caller.token()
    assert (status, body["error"]) == (400, "Access Denied")
    assert "access_token" in (await caller.token(1))[1]
    clock.forward(598)
    assert (await caller.token())[1]["error"] == "Access Denied"
    clock.forward(1)
    assert "access_token" in (await caller.token())[1]
    assert (await caller.token())[1]["error"] == "Access Denied"


async def test_the_limit_is_a_setting(caller: Caller, sim: Simulator) -> None:
    sim.settings.token_limit = 2
    assert "access_token" in (await caller.token())[1]
    assert (await caller.token())[1]["error"] == "Access Denied"


async def test_a_token_lives_an_hour(caller: Caller, clock: Clock) -> None:
    clock.forward(3599)
    assert (await caller.get(V7))[0] == 200
    clock.forward(1)
    assert (await caller.get(V7))[:2] == error("INVALID_TOKEN")
    await caller.sign_in()
    assert (await caller.get(V7))[0] == 200


async def test_the_sixteenth_token_ends_the_first(caller: Caller, sim: Simulator) -> None:
    sim.settings.token_limit = 100
    first = caller.access_token
    for _ in range(14):
        await caller.sign_in()
    caller.access_token, fifteenth = first, caller.access_token
    assert (await caller.get(V7))[0] == 200
    await caller.token()
    assert (await caller.get(V7))[:2] == error("INVALID_TOKEN")
    caller.access_token = fifteenth
    assert (await caller.get(V7))[0] == 200


async def test_all_tokens_can_be_revoked(caller: Caller) -> None:
    assert (await caller.control("DELETE", "tokens"))[0] == 204
    assert (await caller.get(V7))[:2] == error("INVALID_TOKEN")


async def test_requests_without_a_good_token_are_refused(caller: Caller) -> None:
    async def ask(headers: dict[str, str]) -> tuple[int, Any]:
        async with caller.session.get(caller.base + V7, headers=headers) as answer:
            return answer.status, await answer.json()

    assert await ask({}) == error("AUTHENTICATION_FAILURE")
    assert await ask({"Authorization": f"Basic {caller.access_token}"}) == error("AUTHENTICATION_FAILURE")
    assert await ask({"Authorization": "Zoho-oauthtoken nonsense"}) == error("INVALID_TOKEN")


async def test_concurrency_is_limited_per_organization(caller: Caller, sim: Simulator) -> None:
    sim.change_settings(max_concurrent=3, latency=0.5)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller.get(V7)) for _ in range(5)]
    assert sorted(task.result()[0] for task in tasks) == [200, 200, 200, 429, 429]
    refused = next(task.result() for task in tasks if task.result()[0] == 429)
    assert refused[:2] == error("TOO_MANY_REQUESTS")
    assert (await caller.get(V7))[0] == 200
