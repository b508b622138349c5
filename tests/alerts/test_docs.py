"""What docs/how-to/alerts.md shows is what is sent, accepted and offered."""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from cadence_sync.alerts.events import Event
from cadence_sync.alerts.routing import build_routing
from cadence_sync.alerts.webhook import WebhookChannel
from cadence_sync.config.alerts import ChannelSettings
from cadence_sync.config.settings import load_settings
from cadence_sync.db.store import PostgresStore
from cadence_sync.ports import Actor
from cadence_sync.wiring import SystemClock
from tests.alerts.post import SECRET, Post, webhook
from tests.alerts.receiver import receiving
from tests.support.lab import Lab
from tests.support.program import LOADED
from tests.support.records import record

PAGE = (Path(__file__).parents[2] / "docs/how-to/alerts.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


async def test_the_code_of_the_docs_takes_what_is_sent_and_nothing_else(lab: Lab) -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - our own page
    is_genuine = names["is_genuine"]
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(record("1", name="Welcome"))
        await lab.sync(record("1", name="Farewell"))
        await post.send()
    (got,) = receiver.got
    headers = dict(got.headers)
    assert is_genuine(SECRET, headers, got.body)
    assert not is_genuine("another-secret-4723", headers, got.body)
    assert not is_genuine(SECRET, headers, got.body + b" ")
    for name, other in {
        "webhook-timestamp": int(got.headers["webhook-timestamp"]) + 1,
        "webhook-id": "another",
    }.items():
        assert not is_genuine(SECRET, {**headers, name: str(other)}, got.body)
    shown, (sent,) = json.loads(block("json")), got.json["events"]
    assert shown.keys() == got.json.keys()
    assert shown["events"][0].keys() == sent.keys()
    assert got.headers["webhook-id"] == got.headers["Idempotency-Key"] == got.json["id"]


async def test_a_secret_in_base64_signs_with_its_bytes() -> None:
    secret = f"whsec_{b64encode(bytes(range(24))).decode()}"
    async with receiving() as receiver:
        channel = WebhookChannel("hook", receiver.url, [secret], None, SystemClock())
        await channel.send("m1", [])
    (got,) = receiver.got
    Webhook(secret).verify(got.body, dict(got.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret.encode()).verify(got.body, dict(got.headers))


async def test_each_message_is_signed_by_every_secret_so_that_a_rotation_drops_none() -> None:
    former, latter = "the-former-secret-of-a-hook", f"whsec_{b64encode(bytes(range(24))).decode()}"
    async with receiving() as receiver:
        channel = WebhookChannel("hook", receiver.url, [latter, former], None, SystemClock())
        await channel.send("m1", [])
    (got,) = receiver.got
    for key in (latter, former.encode()):
        Webhook(key).verify(got.body, dict(got.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another-secret-of-a-hook").verify(got.body, dict(got.headers))
    first, second = got.headers["webhook-signature"].split(" ")
    Webhook(latter).verify(got.body, {**got.headers, "webhook-signature": first})
    Webhook(former.encode()).verify(got.body, {**got.headers, "webhook-signature": second})


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "whsec_not base64, but long enough", "whsec_"])
def test_a_secret_that_is_short_or_no_base64_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        ChannelSettings.model_validate({"webhook": "https://example.com/hook", "secret": secret})


def test_the_settings_of_the_docs_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_SALES", "slack://a/b/c")
    for name in ("boss-mail", "warehouse"):
        (tmp_path / name).write_text("mailtos://u:p@mail.example.com")
    file = tmp_path / "cadence-sync.toml"
    file.write_text(block("toml").replace("/run/secrets", str(tmp_path)))
    settings = load_settings(file)
    assert build_routing(settings).channels_for(Event.HELD, "any") == ["warehouse"]
    assert len(settings.alerts.rules) == 3


def test_every_command_and_option_is_documented() -> None:
    for name, command in LOADED.items():
        if not name.startswith("alerts "):
            continue
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}"))
        options = [option for parameter in command.params for option in parameter.opts]
        assert [option for option in options if option not in row] == []


async def test_a_redacted_name_is_in_no_message_that_waited(lab: Lab) -> None:
    from cadence_sync.db.redaction import redact_person  # noqa: PLC0415

    somebody = {"name": "Ann Example", "id": "3652397000000186099"}
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        assert isinstance(lab.store, PostgresStore)
        await lab.sync(record("1"))
        later = lab.clock.move(seconds=1).isoformat()
        await lab.sync(record("1", name="New", modified_time=later, modified_by=somebody))
        rows = str(await post.rows())
        await redact_person(lab.engine, "default", somebody["id"], by=Actor("kim"))
        await post.send()
    (event,) = receiver.got[0].json["events"]
    assert event["changed_by"] == {"id": somebody["id"], "name": "redacted"}
    assert somebody["name"] not in rows + receiver.got[0].body.decode()
