"""Apprise's services get what is theirs: escaped, without a redirect, and no secret in what is said of a failure."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from io import StringIO
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from apprise.plugins.slack import NotifySlack

from cadence_sync.alerts.channels import Channel
from cadence_sync.alerts.events import AlertEvent, Event
from cadence_sync.config.settings import Settings
from cadence_sync.core.records import FieldChange
from cadence_sync.errors import SettingsError, TransientError
from cadence_sync.logs import configure_logs
from cadence_sync.wiring import SystemClock, open_channels
from tests.alerts.post import PAGE, Post
from tests.alerts.receiver import receiving
from tests.support.lab import START, Lab
from tests.support.records import record

HOSTILE = "<!channel> <b>&amp; @everyone [x](https://evil.example) _a_ *b* `c`"
REPORTED = [
    AlertEvent(
        Event.CHANGE, "change/1/2", "emea", START, cadence_id="1", version=2, name=HOSTILE, kind="updated",
        changes=(FieldChange("name", "Welcome", HOSTILE),), changed_by_name="Dana",
    )
]  # fmt: skip
TOKEN = "abcdefghijABCDEFGHIJ4718"


def opened(url: str) -> Channel:
    settings = Settings.model_validate({"web_url": PAGE, "alert_urls": url})
    return open_channels(settings, SystemClock())["url-1"]


async def test_json_gets_the_text(lab: Lab) -> None:
    async with receiving() as receiver:
        host = receiver.url.removeprefix("http://")
        post = Post(lab, {"chat": {"url": f"json://{host}/in"}})
        await lab.sync(record("1", name="Welcome"))
        await lab.sync(record("1", name="Farewell"))
        receiver.answers = [503]
        await post.send()
        (row,) = await post.rows()
        assert row["last_error"] == "json answers 503 Service Unavailable."
        await post.make_due()
        await post.send()
    got = receiver.got[-1].json
    assert got["title"] == "A cadence changed: default"
    assert "Name: Welcome → Farewell" in got["message"]
    assert f"{PAGE}/cadences/default/1" in got["message"]


async def ok(_request: web.Request) -> web.Response:
    """Answer as Slack does."""
    return web.Response(text="ok")


async def test_slack_gets_nothing_that_mentions_or_links(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{receiver.url}/services")
        receiver.answers = [200, ok]
        sender = opened(f"slack://TAAAAAAAA/BAAAAAAAA/{TOKEN}/#sales")
        with pytest.raises(TransientError):  # an answer that is not Slack's own word
            await sender.send("m-1", REPORTED)
        receiver.got.clear()
        await sender.send("m-1", REPORTED)
    (got,) = receiver.got
    assert got.path == f"/services/TAAAAAAAA/BAAAAAAAA/{TOKEN}"
    text = str(got.json["attachments"])
    assert "Welcome → " in text
    assert "github" not in got.body.decode()
    assert f"{PAGE}/cadences/emea/1" in text
    assert [active for active in ("<!", "<b", "@everyone", "://evil", "](") if active in text] == []


class Inbox(Message):
    """Keeps what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.got.append(message_from_bytes(message.as_bytes(), policy=policy.default))


async def test_an_e_mail_shows_hostile_names_as_text() -> None:
    inbox = Inbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    await asyncio.to_thread(controller.start)
    try:
        sender = opened(f"mailto://localhost:{port}?smtp=127.0.0.1&from=alerts@example.com&to=rev@example.com")
        await sender.send("m-1", REPORTED)
    finally:
        await asyncio.to_thread(controller.stop)
    (mail,) = inbox.got
    assert mail["Subject"] == "A cadence changed: emea"
    assert "rev@example.com" in mail["To"]
    assert mail.get_body(("html",)) is None
    text = mail.get_body(("plain",)).get_content()
    assert "Name: Welcome → " in text
    assert "<b" not in text
    assert f"{PAGE}/cadences/emea/1" in text


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{receiver.url}/elsewhere"})

    async with receiving() as receiver:
        receiver.answers = [elsewhere]
        with pytest.raises(TransientError, match="json answers 307"):
            await opened(f"json://{receiver.url.removeprefix('http://')}/in").send("m", REPORTED)
        assert [got.path for got in receiver.got] == ["/in"]


async def test_what_was_not_taken_is_never_said_to_be_and_it_is_we_who_try_again() -> None:
    async with receiving() as receiver:
        receiver.answers = [500, 500, 500]
        address = f"json://{receiver.url.removeprefix('http://')}/in?optional=yes&retry=2&wait=0"
        with pytest.raises(TransientError, match="json answers 500"):
            await opened(address).send("m", REPORTED)
        assert len(receiver.got) == 1


CLEAR = [
    ("json://hooks.example.com/x", "jsons://"),
    ("mailto://user:pass-4719@mail.example.com", "mailtos://"),
    ("ntfy://user:pass-4719@ntfy.example.com/topic", "ntfys://"),
]


@pytest.mark.parametrize(("url", "instead"), CLEAR)
def test_nothing_is_sent_in_the_clear_but_to_loopback(url: str, instead: str) -> None:
    with pytest.raises(SettingsError, match="in the clear") as caught:
        opened(url)
    assert instead in caught.value.hint
    assert "4719" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("url", ["nonsense://user:pass-4719@h/x", "slack://pass-4719"])
def test_an_address_that_cannot_work_is_named_without_its_secrets(url: str) -> None:
    with pytest.raises(SettingsError, match="'url-1'") as caught:
        opened(url)
    assert "4719" not in f"{caught.value.message} {caught.value.hint}"


MANY = [
    (f"slack://TAAAAAAAA/BAAAAAAAA/{TOKEN}/#one/#two", 2),
    (f"slack://TAAAAAAAA/BAAAAAAAA/{TOKEN}/#one/#two?retry=2", 2),
    ("mailtos://user:pass-4718@mail.example.com?to=a@example.com,b@example.com,c@example.com", 3),
    ("mailtos://user:pass-4718@mail.example.com?to=a@example.com&cc=b@example.com&bcc=c@example.com", 3),
    ("tgram://123456789:abcdefghijklmnopqrstuvwxyz-pass-4718/1/2", 2),
    ("ntfys://user:pass-4718@ntfy.example.com/one/two", 2),
]


@pytest.mark.parametrize(("url", "targets"), MANY)
def test_an_address_of_several_targets_is_refused_since_those_that_took_a_message_would_get_it_again(
    url: str, targets: int
) -> None:
    with pytest.raises(SettingsError, match=f"'url-1' names {targets} targets") as caught:
        opened(url)
    assert f"one {url.partition(':')[0]}:// address for each" in caught.value.hint
    assert "4718" not in f"{caught.value.message} {caught.value.hint}"


ONE = [
    f"slack://TAAAAAAAA/BAAAAAAAA/{TOKEN}",
    f"slack://TAAAAAAAA/BAAAAAAAA/{TOKEN}/#one?retry=3",
    "mailtos://user:pass@mail.example.com?to=Sales <a@example.com>&reply=b@example.com",
    "discord://WEBHOOK_ID/WEBHOOK_TOKEN",
    "workflows://example.com/WORKFLOW/SIGNATURE",
]


@pytest.mark.parametrize("url", ONE)
def test_an_address_of_one_target_is_taken_however_often_it_is_tried(url: str) -> None:
    assert opened(url).kind == url.partition(":")[0]


@pytest.fixture
def everything() -> Iterator[StringIO]:
    """What an operator's own handler of all logs would show; pytest's listens to the silenced ones too."""
    root, handler = logging.getLogger(), logging.StreamHandler(StringIO())
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_no_secret_is_reported_whatever_the_service_answers(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], everything: StringIO,
    status: int,
) -> None:  # fmt: skip
    configure_logs("DEBUG")
    async with receiving() as receiver:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{receiver.url}/services")
        host = receiver.url.removeprefix("http://")
        channels = {
            "slack": {"url": f"slack://TAAAAAAAA/BAAAAAAAA/{TOKEN}/#sales"},
            "json": {"url": f"json://user:{TOKEN}@{host}/{TOKEN}?+X-Token={TOKEN}"},
            "none": {"url": f"json://user:{TOKEN}@127.0.0.1:9/{TOKEN}"},
            "hook": {"webhook": f"{receiver.url}/{TOKEN}", "secret": TOKEN},
        }
        post = Post(lab, channels)
        await lab.sync(record("1", name="Welcome"))
        await lab.sync(record("1", name="Farewell"))
        receiver.answers = [status] * 20
        await post.send()
    rows = await post.rows()
    assert len([row for row in rows if row["last_error"]]) == 4
    reported = capsys.readouterr()
    configure_logs("INFO")
    assert "alert_not_sent" in reported.err
    assert (
        TOKEN
        not in f"{rows} {reported.out} {reported.err} {everything.getvalue()} {post.settings!r} {post.dispatcher()!r}"
    )
