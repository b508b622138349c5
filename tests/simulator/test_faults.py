import asyncio
import json
import time
from dataclasses import fields
from typing import Any

import aiohttp
import pytest

from cadence_sync.simulator.faults import FAULT_KINDS, Fault, FaultQueue
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from tests.simulator.client import LIST, Caller, Clock, ids, sample

V7 = LIST.format("v7")


async def raw(caller: Caller, query: dict[str, int] | None = None) -> tuple[int, bytes, Any]:
    headers = {"Authorization": f"Zoho-oauthtoken {caller.access_token}"}
    async with caller.session.get(caller.base + V7, params=query, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize("item", sample("errors"), ids=lambda item: item["body"]["code"])
async def test_a_status_fault_answers_like_the_samples(caller: Caller, sim: Simulator, item: Any) -> None:
    sim.faults.add(Fault("status", code=item["body"]["code"]))
    status, body, _ = await caller.get(V7)
    assert (status, body) == (item["http"], item["body"])
    assert (await caller.get(V7))[0] == 200


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "INTERNAL_SERVER_ERROR"), (429, "TOO_MANY_REQUESTS"), (503, "INTERNAL_SERVER_ERROR")],
)
async def test_a_status_fault_may_name_only_its_status(caller: Caller, sim: Simulator, status: int, code: str) -> None:
    sim.faults.add(Fault("status", status=status, headers={"Retry-After": "7"}))
    found, body, headers = await caller.get(V7)
    assert (found, body["code"], headers["Retry-After"]) == (status, code, "7")


async def test_a_gateway_answers_html(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("html"))
    sim.faults.add(Fault("html", status=200))
    for expected in (502, 200):
        status, body, headers = await raw(caller)
        assert (status, headers["Content-Type"]) == (expected, "text/html; charset=UTF-8")
        assert body.startswith(b"<html>")


async def test_an_empty_answer_has_status_200(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("empty"))
    assert (await raw(caller))[:2] == (200, b"")


async def test_a_truncated_body_is_complete_as_far_as_http_can_tell(caller: Caller, sim: Simulator) -> None:
    _, whole, _ = await raw(caller)
    sim.faults.add(Fault("truncated"))
    status, half, headers = await raw(caller)
    assert status == 200
    assert half == whole[: len(whole) // 2]
    assert int(headers["Content-Length"]) == len(half)
    with pytest.raises(json.JSONDecodeError):
        json.loads(half.decode(errors="ignore"))


async def test_a_cut_body_breaks_off(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("cut"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw(caller)
    assert (await raw(caller))[0] == 200


async def test_a_reset_gives_no_answer(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("reset", times=2))  # aiohttp asks once more on a connection that it kept
    with pytest.raises(aiohttp.ClientConnectionError):
        await raw(caller)
    sim.faults.clear()
    assert (await raw(caller))[0] == 200
    assert [entry.status for entry in sim.journal.requests if entry.kind == "list"][-1] == 200
    assert None in [entry.status for entry in sim.journal.requests]


async def test_a_delay_is_only_late(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("delay", delay=0.5))
    started = time.monotonic()
    assert (await raw(caller))[0] == 200
    late = time.monotonic() - started
    assert late >= 0.5
    started = time.monotonic()
    await raw(caller)
    assert time.monotonic() - started < late


async def test_every_kind_may_come_late(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("empty", delay=0.2))
    started = time.monotonic()
    assert (await raw(caller))[:2] == (200, b"")
    assert time.monotonic() - started >= 0.2


async def test_any_bytes_can_be_given(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("body", body=b"\xff\x00[", status=418))
    assert (await raw(caller))[:2] == (418, b"\xff\x00[")


async def test_a_redirect_names_its_location(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("redirect", headers={"Location": "http://127.0.0.1:1/elsewhere"}))
    status, _, headers = await caller.get(V7)
    assert (status, headers["Location"]) == (302, "http://127.0.0.1:1/elsewhere")


async def test_page_1_repeats_for_ever(caller: Caller, sim: Simulator) -> None:
    first = await caller.page(1, 10)
    sim.faults.add(Fault("repeat_page"))
    for number in (1, 2, 3, 50):
        answer = await caller.page(number, 10)
        assert answer["cadences"] == first["cadences"]
        assert answer["info"] == {"per_page": 10, "count": 10, "page": number, "more_records": True}
    sim.faults.clear()
    assert ids(await caller.page(2, 10)) != ids(first)


async def test_a_list_can_end_early(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("end_early", match_page=2))
    assert (await caller.page(1, 10))["info"]["more_records"] is True
    second = await caller.page(2, 10)
    assert second["info"] == {"per_page": 10, "count": 10, "page": 2, "more_records": False}
    assert (await caller.page(2, 10))["info"]["more_records"] is True


async def test_a_shift_makes_one_cadence_slip_through(caller: Caller, sim: Simulator) -> None:
    before = sorted(sim.orgs[0].cadences)
    sim.faults.add(Fault("shift"))
    pages = [ids(await caller.page(number, 10)) for number in (1, 2, 3)]
    assert pages[0] == before[:10]
    assert pages[1] == before[11:21]
    assert all(before[10] not in page for page in pages)
    assert sorted(sim.orgs[0].cadences) == before[1:]
    assert list(sim.orgs[0].deleted) == before[:1]


async def test_a_fault_strikes_only_its_page(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("status", status=500, match_page=2))
    statuses = [(await caller.get(V7, {"page": page, "per_page": 10}))[0] for page in (1, 3, 2, 2)]
    assert statuses == [200, 200, 500, 200]


async def test_a_fault_strikes_as_often_as_it_says_after_as_many_as_it_says(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("status", status=500, times=2, after=1))
    assert [(await caller.get(V7))[0] for _ in range(4)] == [200, 500, 500, 200]
    assert sim.faults.waiting() == []


async def test_faults_queue_up(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("status", status=500))
    sim.faults.add(Fault("status", status=503))
    assert [(await caller.get(V7))[0] for _ in range(3)] == [500, 503, 200]


async def test_a_fault_may_be_one_organizations(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("status", status=500, org=1))
    assert (await caller.get(V7))[0] == 200
    await caller.sign_in(1)
    assert (await caller.get(V7))[0] == 500


async def test_faults_of_the_accounts_host(caller: Caller, sim: Simulator) -> None:
    sim.faults.add(Fault("status", target="token", code="Access Denied"))
    sim.faults.add(Fault("status", target="token", status=200, code="invalid_code", org=1))
    assert (await caller.get(V7))[0] == 200
    assert await caller.token() == (400, {"error": "Access Denied"})
    assert "access_token" in (await caller.token())[1]
    assert await caller.token(1) == (200, {"error": "invalid_code"})


@pytest.mark.timeout(120)
async def test_a_long_delay_does_not_hold_up_the_end(clock: Clock) -> None:
    sim = Simulator(clock=clock)
    sim.faults.add(Fault("delay", delay=600))
    async with aiohttp.ClientSession() as session:
        async with running(sim) as base:
            waiting = asyncio.create_task(Caller(session, base).get(V7))
            await asyncio.sleep(0.1)
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nonsense"},
        {"kind": "delay"},
        {"kind": "body"},
        {"kind": "redirect"},
        {"kind": "redirect", "headers": {"X-Other": "1"}},
        {"kind": "empty", "target": "moon"},
        {"kind": "empty", "times": "twice"},
        {"kind": "empty", "tiems": 2},
        {},
    ],
)
def test_a_wrong_fault_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Fault.from_json(wrong)


def test_a_fault_reads_from_json() -> None:
    document = {
        "kind": "body",
        "times": 2,
        "status": 200,
        "code": "X",
        "match_page": 3,
        "target": "token",
        "delay": 0.5,
        "after": 1,
        "body": "ü",
        "headers": {"A": "b"},
        "org": 1,
    }
    assert set(document) == {field.name for field in fields(Fault)}
    fault = Fault.from_json(document)
    assert fault.body == "ü".encode()
    assert {key: getattr(fault, key) for key in document} == document | {"body": "ü".encode()}


@pytest.mark.parametrize("kind", FAULT_KINDS)
async def test_no_kind_of_fault_breaks_on_an_empty_page(caller: Caller, sim: Simulator, kind: str) -> None:
    sim.faults.add(Fault(kind, delay=0.01, body=b"{}", headers={"Location": "/x"}))
    query: dict[str, str | int] = {"page": 99}
    try:
        status = (await caller.get(V7, query))[0]
    except (aiohttp.ClientError, json.JSONDecodeError):
        status = 0
    # repeat_page is the one kind that fills an empty page.
    expected = {
        "status": 500,
        "html": 0,
        "empty": 200,
        "reset": 204,
        "body": 200,
        "redirect": 302,
        "repeat_page": 200,
    }
    assert status == expected.get(kind, 204)


def test_times_0_strikes_nothing() -> None:
    queue = FaultQueue()
    queue.add(Fault("empty", times=0))
    assert queue.next_for("api", 1, 0) is None


def test_kinds_for_lists_leave_other_requests_alone() -> None:
    queue = FaultQueue()
    queue.add(Fault("shift"))
    queue.add(Fault("repeat_page"))
    assert queue.next_for("api", None, 0) is None
    assert queue.next_for("token", None, 0) is None
    struck = [queue.next_for("api", page, 0) for page in (1, 2, 2)]
    assert [fault and fault.kind for fault in struck] == ["repeat_page", "shift", "repeat_page"]
