"""A service that is slow, or hangs, gets each message once and delays no other."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from apprise.plugins.custom_json import NotifyJSON

from cadence_sync.cli.commands import alerts
from cadence_sync.config.settings import Settings
from cadence_sync.db import alert_delivery
from cadence_sync.errors import TransientError
from cadence_sync.wiring import SystemClock, open_channels
from tests.alerts.post import Post, sending, webhook
from tests.alerts.receiver import WAIT, Receiver, receiving
from tests.support.lab import Lab
from tests.support.records import record


def chat(receiver: Receiver, path: str = "chat") -> dict[str, object]:
    return {"url": f"json://{receiver.url.removeprefix('http://')}/{path}"}


async def changed(lab: Lab) -> None:
    await lab.sync(record("1", name="Welcome"))
    await lab.sync(record("1", name="Farewell"))


async def until(lab: Lab, condition: str) -> None:
    async with asyncio.timeout(WAIT):
        while not (await lab.row(f"SELECT bool_and({condition}) AS so FROM cadence_sync.alert_outbox"))["so"]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["webhook", "chat"])
async def test_what_is_still_being_sent_when_its_lease_ends_is_not_offered_to_another(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    free = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await free.wait()
        return web.Response()

    monkeypatch.setattr(alert_delivery, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr("cadence_sync.alerts.dispatcher.RENEW", 0.1)
    async with receiving() as receiver:
        receiver.answers = [slow]
        post = Post(lab, {"a": webhook(receiver) if kind == "webhook" else chat(receiver)})
        await changed(lab)
        async with sending(post.dispatcher()):
            await receiver.until(1)
            lease = (await post.rows())[0]["leased_until"].isoformat()
            await until(lab, f"now() > '{lease}'")
            await post.send()
            free.set()
            await until(lab, "sent_at IS NOT NULL")
        (row,) = await post.rows()
    assert (len(receiver.got), row["attempts"], row["last_error"]) == (1, 1, None)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
    """Threads in which services hang whose address says so, until the test is over."""
    free = threading.Event()
    usual: Any = NotifyJSON.send
    threads: list[threading.Thread] = []

    def send(plugin: NotifyJSON, *arguments: Any, **options: Any) -> Any:
        if plugin.fullpath.startswith("/hangs"):
            threads.append(threading.current_thread())
            free.wait()
        return usual(plugin, *arguments, **options)

    monkeypatch.setattr(NotifyJSON, "send", send)
    yield threads
    free.set()
    for thread in threads:
        thread.join()


async def test_channels_that_hang_delay_no_other_and_no_end(lab: Lab, hanging: list[threading.Thread]) -> None:
    async with receiving() as receiver:
        channels = {f"a{number}": chat(receiver, f"hangs/{number}") for number in range(6)}
        post = Post(lab, {**channels, "b": chat(receiver)})
        await changed(lab)
        async with sending(post.dispatcher(), grace=0.1):
            await receiver.until(1)
            await until(lab, "leased_until > now() OR channel = 'b'")
            async with asyncio.timeout(WAIT):
                while len(hanging) < 6:  # a lease begins before its thread does
                    await asyncio.sleep(0.01)
        assert [got.path for got in receiver.got] == ["/chat"]
        rows = [row for row in await post.rows() if row["channel"] != "b"]
    # Left to its lease: whether it is taken after all, nobody knows yet.
    assert {(row["attempts"], row["last_error"], row["sent_at"]) for row in rows} == {(1, None, None)}
    assert len(hanging) == 6
    assert all(thread.daemon for thread in hanging)  # a process that ends does not wait for them


async def test_who_sends_once_waits_for_a_channel_that_hangs_but_not_for_ever(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, hanging: list[threading.Thread]
) -> None:
    monkeypatch.setattr("cadence_sync.alerts.dispatcher.PATIENCE", 0.5)
    async with receiving() as receiver:
        post = Post(lab, {"a": chat(receiver, "hangs")})
        await changed(lab)
        await post.send()
    assert (len(hanging), post.results) == (1, [("a", "failed")])


async def test_who_sends_once_waits_for_as_long_as_something_moves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    monkeypatch.setattr("cadence_sync.alerts.dispatcher.PATIENCE", 2)
    async with receiving() as receiver:
        receiver.answers = [slow] * 9
        post = Post(lab, {"a": webhook(receiver)})
        await lab.sync(*(record(f"{number}") for number in range(9)))
        await lab.sync(*(record(f"{number}", name="New") for number in range(9)))
        await post.send()
    assert post.results == [("a", "sent")] * 9


def test_a_service_has_time_to_answer_and_is_never_left_to_a_thread_of_apprise() -> None:
    addresses = "jsons://h.test/x?rto=1, mailtos://u:p@h.test?to=a@h.test"
    settings = Settings.model_validate({"alert_urls": addresses})
    web_service, mail = (sender.plugin for sender in open_channels(settings, SystemClock()).values())  # type: ignore[attr-defined]
    assert web_service.request_timeout == (4, 60)
    assert mail.socket_connect_timeout == 60
    assert (mail.asset._service_timeout, mail.asset.async_mode) == (0, False)


async def test_who_tries_all_channels_waits_for_none_before_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alerts, "ANSWER", 3)
    async with receiving() as first, receiving() as second:

        async def wait(_request: web.Request) -> web.Response:
            await second.until(1)
            return web.Response()

        async def hang(_request: web.Request) -> web.Response:
            await asyncio.Event().wait()
            return web.Response()

        first.answers, second.answers = [wait, hang], [204, 204]
        channels = {"a": webhook(first), "b": webhook(second)}
        settings = Settings.model_validate({"alerts": {"channels": channels}})
        await alerts.check_channels(settings, None, as_json=False)
        assert capsys.readouterr().out.splitlines()[1:] == ["a\twebhook\tsent", "b\twebhook\tsent"]
        monkeypatch.setattr(alerts, "ANSWER", 0.2)
        with pytest.raises(TransientError, match="1 of 2 channels"):
            await alerts.check_channels(settings, None, as_json=False)
        assert "a\twebhook\tThe channel does not answer within 0 s." in capsys.readouterr().out
