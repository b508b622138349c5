import json
from datetime import datetime
from typing import get_args

import aiohttp
import pytest

from cadence_sync.simulator import edits
from cadence_sync.simulator.org import Order
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from tests.simulator.client import LIST, Caller, Clock, error, ids, sample

V7, V8 = LIST.format("v7"), LIST.format("v8")


async def fetch_listing(caller: Caller, per_page: int, version: str = "v7") -> list[str]:
    found: list[str] = []
    page = 1
    while True:
        answer = await caller.page(page, per_page, version)
        found += ids(answer)
        if not answer["info"]["more_records"]:
            return found
        page += 1


@pytest.mark.parametrize("version", ["v7", "v8"])
async def test_a_list_has_the_form_of_the_sample(caller: Caller, version: str) -> None:
    status, body, headers = await caller.get(LIST.format(version))
    assert status == 200
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert list(body) == ["cadences", "info"]
    assert list(body["info"]) == list(sample("v7-list")["info"])
    assert body["info"] == {"per_page": 50, "count": 25, "page": 1, "more_records": False}


async def test_letters_beyond_ascii_travel_unescaped(caller: Caller, sim: Simulator) -> None:
    sim.orgs[0].users[0].name = "Zoë Müller 日本"
    headers = {"Authorization": f"Zoho-oauthtoken {caller.access_token}"}
    async with caller.session.get(caller.base + V7, headers=headers) as answer:
        body = await answer.read()
    assert "Zoë Müller 日本".encode() in body


@pytest.mark.parametrize(("per_page", "counts"), [(25, [25]), (24, [24, 1]), (5, [5] * 5), (26, [25]), (1, [1] * 25)])
async def test_paging_at_its_borders(caller: Caller, sim: Simulator, per_page: int, counts: list[int]) -> None:
    for number, count in enumerate(counts, start=1):
        answer = await caller.page(number, per_page)
        more = number < len(counts)
        assert answer["info"] == {"per_page": per_page, "count": count, "page": number, "more_records": more}
        assert len(answer["cadences"]) == count
    assert (await caller.get(V7, {"page": len(counts) + 1, "per_page": per_page}))[:2] == (204, None)
    assert await fetch_listing(caller, per_page) == sorted(sim.orgs[0].cadences)


async def test_an_empty_organization_answers_204(clock: Clock) -> None:
    async with running(Simulator(cadences=0, clock=clock)) as base, aiohttp.ClientSession() as session:
        caller = Caller(session, base)
        await caller.sign_in()
        for path in (V7, V8):
            assert (await caller.get(path))[:2] == (204, None)


async def test_the_server_decides_the_size_of_pages(caller: Caller, sim: Simulator) -> None:
    sim.settings.max_per_page = 10
    assert (await caller.page(1, 400))["info"]["per_page"] == 10
    sim.settings.default_per_page = 4
    assert (await caller.get(V7))[1]["info"]["per_page"] == 4
    assert len(await fetch_listing(caller, 400)) == 25


async def test_per_page_can_be_rejected(caller: Caller, sim: Simulator) -> None:
    sim.settings.reject_per_page = True
    status, body, _ = await caller.get(V7, {"per_page": 10})
    assert (status, body["code"], body["details"]) == (400, "INVALID_DATA", {"param_name": "per_page"})
    assert (await caller.get(V7, {"page": 1}))[0] == 200


@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("abc", "UNABLE_TO_PARSE_DATA_TYPE"),
        ("1.5", "UNABLE_TO_PARSE_DATA_TYPE"),
        ("", "UNABLE_TO_PARSE_DATA_TYPE"),
        ("٣", "UNABLE_TO_PARSE_DATA_TYPE"),
        ("0", "INVALID_DATA"),
        ("-1", "INVALID_DATA"),
        ("99999999999", "INVALID_DATA"),
    ],
)
async def test_nonsense_paging_is_refused(caller: Caller, name: str, value: str, code: str) -> None:
    status, body, _ = await caller.get(V7, {name: value})
    assert (status, body["code"], body["status"]) == (400, code, "error")
    if code == "UNABLE_TO_PARSE_DATA_TYPE":
        assert (status, body) == error(code)
    else:
        assert body["details"] == {"param_name": name}


@pytest.mark.parametrize("order", get_args(Order))
async def test_every_order_can_be_paged_through(caller: Caller, sim: Simulator, order: str) -> None:
    sim.change_settings(order=order)
    found = await fetch_listing(caller, 7)
    assert sorted(found) == sorted(sim.orgs[0].cadences)
    assert found == await fetch_listing(caller, 7)


async def test_an_edit_shows_in_the_next_answer(caller: Caller, sim: Simulator, clock: Clock) -> None:
    org = sim.orgs[0]
    sim.settings.order = "name"
    await caller.page()
    last = org.ordered("name")[-1]
    edits.rename(edits.EditContext(org, clock(), org.users[0], sim.rng), last.id, "AAA")
    first = (await caller.page())["cadences"][0]
    assert (first["id"], first["name"]) == (last.id, "AAA")
    assert datetime.fromisoformat(first["modified_time"]) == clock()


async def test_each_organization_has_its_own_list(caller: Caller, sim: Simulator) -> None:
    first = ids(await caller.page())
    await caller.sign_in(1)
    second = ids(await caller.page())
    assert set(first) == set(sim.orgs[0].cadences)
    assert set(second) == set(sim.orgs[1].cadences)


async def test_v8_filters(caller: Caller, sim: Simulator) -> None:
    cadences = list(sim.orgs[0].cadences.values())
    for query, wanted in (
        ({"module": "Leads"}, {c.id for c in cadences if c.module.api_name == "Leads"}),
        ({"active": "true"}, {c.id for c in cadences if c.active}),
        ({"active": "false"}, {c.id for c in cadences if not c.active}),
        (
            {"module": "Leads", "active": "true"},
            {c.id for c in cadences if c.active and c.module.api_name == "Leads"},
        ),
    ):
        _, body, _ = await caller.get(V8, query)
        assert set(ids(body)) == wanted
        assert 0 < len(wanted) < 25
        assert body["info"]["count"] == len(wanted)


@pytest.mark.parametrize("comparator", ["equal", "contains", "starts_with", "ends_with"])
async def test_v8_name_is_a_criterion(caller: Caller, sim: Simulator, comparator: str) -> None:
    name = sim.orgs[0].ordered("id")[4].name
    part = {"equal": name, "contains": name[1:-1], "starts_with": name[:-1], "ends_with": name[1:]}[comparator]
    criterion = {"field": {"api_name": "name"}, "comparator": comparator, "value": part.upper()}
    _, body, _ = await caller.get(V8, {"name": json.dumps(criterion)})
    assert [item["name"] for item in body["cadences"]] == [name]


async def test_v8_name_criteria_can_exclude(caller: Caller, sim: Simulator) -> None:
    name = sim.orgs[0].ordered("id")[4].name
    for comparator in ("not_equal", "not_contains"):
        criterion = {"field": {"api_name": "name"}, "comparator": comparator, "value": name}
        _, body, _ = await caller.get(V8, {"name": json.dumps(criterion)})
        assert len(body["cadences"]) == 24


async def test_v8_fields_name_leaves_name_and_id(caller: Caller) -> None:
    _, body, _ = await caller.get(V8, {"fields": "name"})
    assert {tuple(sorted(item)) for item in body["cadences"]} == {("id", "name")}


async def test_v8_filters_that_match_nothing_answer_204(caller: Caller) -> None:
    criterion = {"field": {"api_name": "name"}, "comparator": "equal", "value": "no such name"}
    assert (await caller.get(V8, {"name": json.dumps(criterion)}))[:2] == (204, None)


async def test_wrong_filters_are_refused(caller: Caller) -> None:
    assert (await caller.get(V8, {"module": "Nonsense"}))[:2] == error("INVALID_DATA")
    assert (await caller.get(V8, {"active": "yes"}))[:2] == error("UNABLE_TO_PARSE_DATA_TYPE")
    assert (await caller.get(V8, {"name": "plain text"}))[:2] == error("UNABLE_TO_PARSE_DATA_TYPE")
    status, body, _ = await caller.get(V8, {"fields": "id"})
    assert (status, body["code"], body["details"]) == (400, "INVALID_DATA", {"param_name": "fields"})
    other = {"field": {"api_name": "status"}, "comparator": "equal", "value": "x"}
    status, body, _ = await caller.get(V8, {"name": json.dumps(other)})
    assert (status, body["code"], body["details"]) == (400, "INVALID_DATA", {"param_name": "name"})


async def test_v7_knows_no_filters(caller: Caller) -> None:
    assert len((await caller.get(V7, {"module": "Nonsense", "fields": "id"}))[1]["cadences"]) == 25


async def test_single_cadences(caller: Caller, sim: Simulator) -> None:
    listed = {item["id"]: item for item in (await caller.page(version="v8"))["cadences"]}
    assert len(listed) == 25
    for cadence_id, item in listed.items():
        status, body, _ = await caller.get(f"{V8}/{cadence_id}")
        assert status == 200
        (one,) = body["cadences"]
        assert (one["id"], one["name"], one["status"]) == (cadence_id, item["name"], item["status"])
    assert (await caller.get(f"{V8}/1234567890123456789"))[:2] == (204, None)
    edits.delete(sim.orgs[0], next(iter(listed)))
    assert (await caller.get(f"{V8}/{next(iter(listed))}"))[:2] == (204, None)


async def test_other_urls_and_methods_are_refused_as_zoho_does(caller: Caller) -> None:
    for path in ("/crm/v6/settings/automation/cadences", f"{V7}/123", "/nonsense"):
        status, body, _ = await caller.get(path)
        assert (status, body["code"]) == (404, "INVALID_URL_PATTERN")
    async with caller.session.post(caller.base + V7) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "INVALID_REQUEST_METHOD")


async def test_credits_run_down_and_out(caller: Caller, sim: Simulator) -> None:
    sim.settings.credits = 4
    remaining = [(await caller.get(V7))[2].get("X-API-CREDITS-REMAINING") for _ in range(4)]
    assert remaining == [None, "2", "1", "0"]
    status, body, _ = await caller.get(V7)
    assert (status, body["code"]) == (429, "TOO_MANY_REQUESTS")
    await caller.sign_in(1)
    assert (await caller.get(V7))[0] == 200
