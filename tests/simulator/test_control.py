import asyncio
import json

import aiohttp
import pytest

from cadence_sync.simulator import edits
from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.simulator import Simulator
from tests.simulator.client import LIST, Caller, Clock, ids

V7 = LIST.format("v7")


async def test_state_counts(caller: Caller) -> None:
    await caller.page()
    await caller.page()
    await caller.get("/nonsense")
    status, state = await caller.control("GET", "state")
    assert status == 200
    assert state["requests"] == {"token": 1, "list": 2, "other": 1}
    assert state["orgs"][0] == {"org": 0, "cadences": 25, "deleted": 0, "calls": 2}
    assert state["orgs"][1]["calls"] == 0
    assert state["settings"]["max_per_page"] == 200
    assert state["faults"] == []


OWN = [
    {},
    {"Host": "localhost:8787"},
    {"Host": "[::1]:8787"},
    {"Origin": "http://localhost:8787", "Host": "localhost:8787", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "evil.example:8787", "Origin": "http://evil.example:8787", "Sec-Fetch-Site": "same-origin"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "127.0.0.1@evil.example"},
]
CONTROL = [
    ("GET", "state"),
    ("GET", "requests"),
    ("POST", "edits"),
    ("POST", "faults"),
    ("POST", "settings"),
    ("DELETE", "faults"),
    ("DELETE", "requests"),
    ("DELETE", "tokens"),
]


@pytest.mark.parametrize(("method", "path"), CONTROL)
async def test_control_takes_nothing_from_another_site(caller: Caller, sim: Simulator, method: str, path: str) -> None:
    sim.faults.add(Fault("html"))
    before = (len(sim.orgs[0].cadences), sim.settings, len(sim.faults.waiting()), len(sim.journal.requests))
    for headers in FOREIGN:
        async with caller.session.request(
            method, f"{caller.base}/_simulator/{path}", data=b'{"count": 3, "kind": "create"}', headers=headers
        ) as answer:
            assert answer.status == 403, headers
    assert (len(sim.orgs[0].cadences), sim.settings, len(sim.faults.waiting()), len(sim.journal.requests)) == before
    sim.faults.clear()
    assert len(ids(await caller.page())) == 25, "the token is still good"


@pytest.mark.parametrize("headers", OWN)
async def test_control_takes_what_comes_from_this_machine(caller: Caller, headers: dict[str, str]) -> None:
    url = f"{caller.base}/_simulator/edits"
    async with caller.session.post(url, data=b'{"count": 1}', headers=headers) as answer:
        assert answer.status == 200


async def test_edits_at_random_and_by_kind(caller: Caller, sim: Simulator) -> None:
    status, body = await caller.control("POST", "edits", {"org": 1, "count": 12})
    assert (status, len(body["edits"])) == (200, 12)
    assert set(body["edits"][0]) == {"kind", "cadence_id", "text"}
    cadence_id = sim.orgs[0].ordered("id")[2].id
    _, body = await caller.control("POST", "edits", {"org": 0, "kind": "delete", "cadence_id": cadence_id})
    assert (body["edits"][0]["kind"], body["edits"][0]["cadence_id"]) == ("delete", cadence_id)
    assert cadence_id not in ids(await caller.page())
    _, body = await caller.control("POST", "edits", {"kind": "create", "count": 3})
    assert len(ids(await caller.page())) == 27


@pytest.mark.parametrize(
    "body",
    [
        {"org": 2},
        {"org": -1},
        {"kind": "nonsense"},
        {"kind": "delete", "cadence_id": "1"},
        {"cuont": 3},
        {"count": "three"},
        [1],
    ],
)
async def test_wrong_edits_are_refused(caller: Caller, sim: Simulator, body: object) -> None:
    status, answer = await caller.control("POST", "edits", body)
    assert status == 400
    assert answer["error"]
    assert len(sim.orgs[0].cadences) == 25


async def test_faults_over_http(caller: Caller) -> None:
    fault = {"kind": "body", "body": "[]", "times": 5, "match_page": 1}
    assert await caller.control("POST", "faults", fault) == (201, fault | {"target": "api"})
    assert (await caller.get(V7))[:2] == (200, [])
    assert (await caller.control("GET", "state"))[1]["faults"] == [fault | {"target": "api"}]
    assert (await caller.control("DELETE", "faults"))[0] == 204
    assert len(ids(await caller.page())) == 25
    assert (await caller.control("POST", "faults", {"kind": "nonsense"}))[0] == 400


async def test_settings_over_http(caller: Caller, sim: Simulator) -> None:
    changes = {"latency": 0.01, "max_per_page": 5, "order": "name", "reject_per_page": False, "credits": 50}
    status, body = await caller.control("POST", "settings", changes)
    assert status == 200
    assert {key: body[key] for key in changes} == changes
    assert (await caller.page(1, 50))["info"]["count"] == 5
    assert sim.settings.order == "name"


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "random"},
        {"max_per_page": 0},
        {"latency": -1},
        {"edit_every": 0},
        {"reject_per_page": "yes"},
        {"speed": 3},
    ],
)
async def test_wrong_settings_are_refused_whole(caller: Caller, sim: Simulator, changes: dict[str, object]) -> None:
    status, body = await caller.control("POST", "settings", {"default_per_page": 3} | changes)
    assert status == 400
    assert body["error"]
    assert sim.settings == SimulatorSettings()


async def test_the_journal_tells_what_was_asked(caller: Caller, clock: Clock) -> None:
    async with caller.session.get(
        f"{caller.base}{V7}",
        params={"page": "2", "authtoken": "very-secret"},
        headers={"Authorization": f"Zoho-oauthtoken {caller.access_token}", "User-Agent": "test/1"},
    ) as answer:
        assert answer.status == 204
    _, body = await caller.control("GET", "requests")
    first, second = body["requests"]
    assert (first["kind"], first["method"], first["path"], first["org"]) == (
        "token",
        "POST",
        "/oauth/v2/token",
        0,
    )
    at = clock().isoformat().replace("+00:00", "Z")
    assert second == {
        "at": at,
        "kind": "list",
        "method": "GET",
        "path": V7,
        "query": {"page": "2", "authtoken": "***"},
        "status": 204,
        "user_agent": "test/1",
        "org": 0,
    }
    text = json.dumps(body)
    for secret in ("very-secret", caller.access_token, "simulator-refresh", "simulator-secret"):
        assert secret not in text
    assert (await caller.control("DELETE", "requests"))[0] == 204
    assert (await caller.control("GET", "requests"))[1] == {"requests": []}


async def test_latency_slows_answers_down(caller: Caller, sim: Simulator) -> None:
    loop = asyncio.get_running_loop()
    sim.change_settings(latency=0.2)
    started = loop.time()
    await caller.page()
    assert loop.time() - started >= 0.2


def edited(sim: Simulator, org: int) -> int:
    return sum(cadence.modified_time == sim.clock() for cadence in sim.orgs[org].cadences.values())


async def wait_until_edited(sim: Simulator, org: int, count: int) -> None:
    async with asyncio.timeout(10):
        while edited(sim, org) < count:
            await asyncio.sleep(0.01)


async def test_edits_now_and_then(caller: Caller, sim: Simulator) -> None:
    before = (await caller.page())["cadences"]
    await caller.control("POST", "settings", {"edit_every": 0.02, "edits_at_once": 5})
    await wait_until_edited(sim, org=0, count=6)
    await wait_until_edited(sim, org=1, count=6)
    await caller.control("POST", "settings", {"edit_every": None})
    after = (await caller.page())["cadences"]
    assert after != before
    await asyncio.sleep(0.1)
    assert (await caller.page())["cadences"] == after


async def test_nothing_is_edited_unless_asked_for(clock: Clock) -> None:
    sim = Simulator(clock=clock, settings=SimulatorSettings(edit_every=0.01))
    quiet = Simulator(clock=clock)
    async with running(sim), running(quiet):
        await wait_until_edited(sim, org=0, count=3)
    assert edited(quiet, org=0) == 0


async def test_two_simulators_of_one_seed_serve_the_same_until_one_is_edited(clock: Clock) -> None:
    one, other = Simulator(clock=clock), Simulator(clock=clock)
    pages = []
    for sim in (one, other):
        async with running(sim) as base, aiohttp.ClientSession() as session:
            assert base.startswith("http://127.0.0.1:")
            caller = Caller(session, base)
            await caller.sign_in()
            pages.append(await caller.page())
    assert pages[0] == pages[1]
    assert one.edit(5) == other.edit(5)
    edits.delete(one.orgs[0], next(iter(one.orgs[0].cadences)))
    assert len(one.orgs[0].cadences) == len(other.orgs[0].cadences) - 1


async def test_a_port_can_be_chosen_and_is_free_again_afterwards(clock: Clock) -> None:
    async with running(Simulator(clock=clock)) as base:
        port = int(base.rpartition(":")[2])
    async with running(Simulator(clock=clock), port=port) as again:
        assert again == base
