"""Receivers that are down, slow, silent or ask for peace: each message waits for them, and none is lost."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from cadence_sync.alerts.routing import ATTEMPTS
from cadence_sync.db import alert_delivery
from cadence_sync.ports import Actor
from tests.alerts.post import Post, changed, sending, webhook
from tests.alerts.receiver import Receiver, receiving
from tests.support.lab import Lab
from tests.support.records import record


async def test_a_receiver_that_is_down_is_tried_again_until_it_is_up(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        receiver.answers = [500, 302]
        await post.send()
        (row,) = await post.rows()
        assert (row["attempts"], row["last_error"], row["sent_at"]) == (1, "The webhook answers 500.", None)
        assert await lab.row("SELECT next_attempt_at - now() BETWEEN '25 s' AND '31 s' AS ok"
                             " FROM cadence_sync.alert_outbox") == {"ok": True}  # fmt: skip
        await post.send()
        assert len(receiver.got) == 1
        await post.make_due()
        await post.send()
        await post.make_due()
        await post.send()
    first, second, third = receiver.got
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == third.headers["Idempotency-Key"]
    assert first.body == third.body
    (row,) = await post.rows()
    assert (row["attempts"], row["last_error"]) == (3, None)
    assert post.results == [("hook", "failed"), ("hook", "failed"), ("hook", "sent")]


async def test_a_channel_gets_names_of_people_unless_it_is_set_otherwise(lab: Lab) -> None:
    async with receiving() as receiver, receiving() as other:
        post = Post(lab, {"hook": webhook(receiver), "nameless": webhook(other, names=False)})
        await lab.sync(record("1"))
        later = lab.clock.move(seconds=1).isoformat()
        await lab.sync(record("1", name="New", modified_time=later, modified_by={"name": "Ann Example", "id": "77"}))
        await post.send()
    assert "Ann Example" in receiver.got[0].json["text"]
    assert b"Ann Example" not in other.got[0].body
    assert other.got[0].json["events"][0]["changed_by"] == {"id": "77", "name": None}


async def test_nobody_listens(lab: Lab) -> None:
    post = Post(lab, {"hook": webhook(Receiver("http://127.0.0.1:9"))})
    await changed(lab)
    await post.send()
    (row,) = await post.rows()
    assert row["last_error"] == "The webhook does not answer (ClientConnectorError)."


async def test_a_message_goes_to_the_address_that_was_given_and_to_no_other(lab: Lab) -> None:
    async def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{receiver.url}/elsewhere"})

    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        receiver.answers = [elsewhere]
        await post.send()
        assert [got.path for got in receiver.got] == ["/hook"]
    (row,) = await post.rows()
    assert row["last_error"] == "The webhook answers 307."


async def test_an_answer_without_an_end_is_not_read_to_its_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with suppress(ConnectionError):
            while True:
                await answer.write(b"x" * 65536)
        return answer

    async def silent(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        receiver.answers = [silent, endless]
        with monkeypatch.context() as patch:
            patch.setattr("cadence_sync.alerts.webhook.SECONDS", 0.05)
            await post.send()
        (row,) = await post.rows()
        assert row["last_error"] == "The webhook does not answer (TimeoutError)."
        await post.make_due()
        await post.send()
    assert [result for _, result in post.results] == ["failed", "sent"]


async def test_a_receiver_may_ask_to_be_left_alone(lab: Lab) -> None:
    async def busy(_request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "600"})

    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        receiver.answers = [busy]
        await post.send()
    assert await lab.row("SELECT next_attempt_at - now() > '9 min' AS ok FROM cadence_sync.alert_outbox") == {
        "ok": True
    }


async def test_a_receiver_that_asks_to_be_left_alone_is_left_alone_with_all_that_waits_for_it(lab: Lab) -> None:
    async def busy(_request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "600"})

    async with receiving() as receiver, receiving() as other:
        post = Post(lab, {"hook": webhook(receiver), "other": webhook(other)})
        await lab.sync(record("1"), record("2"))
        await lab.sync(record("1", name="New"), record("2", name="New"))
        receiver.answers = [busy]
        async with sending(post.dispatcher()):
            await other.until(2)
            await lab.sync(record("1", name="Newer"), record("2", name="New"))
            await other.until(3)
        assert len(receiver.got) == 1
        await post.make_due()
        await post.send()
    assert len(receiver.got) == 4


async def test_what_is_never_taken_is_a_dead_letter_until_somebody_asks_for_it(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        receiver.answers = [500] * ATTEMPTS
        for _ in range(ATTEMPTS + 2):
            await post.send()
            await post.make_due()
        assert len(receiver.got) == ATTEMPTS
        assert post.results[-1] == ("hook", "dead_lettered")
        (status,) = await alert_delivery.delivery_status(lab.engine)
        assert (status["pending"], status["sent"], status["dead_lettered"]) == (0, 0, 1)
        assert status["last_error"] == "The webhook answers 500."
        assert await alert_delivery.retry_failed(lab.engine, ["hook"], Actor("ana")) == 1
        await post.send()
        (status,) = await alert_delivery.delivery_status(lab.engine)
        assert (status["pending"], status["sent"], status["dead_lettered"]) == (0, 1, 0)
