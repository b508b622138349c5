"""Alerts of real processes: one is killed between the commit and the sending, one while it sends."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from cadence_sync.db.queue import Connection, direct
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.alerts.post import SECRET
from tests.alerts.receiver import Receiver, receiving
from tests.daemon.processes import WAIT, daemon, settings, write_settings
from tests.support import cli

ALERTS = """
[alerts.channels.hook]
webhook = "{url}/hook"
secret = "{secret}"
"""


@pytest.fixture
async def simulator() -> Simulator:
    return Simulator(cadences=3, clock=SystemClock().now)


@pytest.fixture
async def receiver(simulator: Simulator, database_url: str, tmp_path: Path) -> AsyncIterator[Receiver]:
    """What the alerts of the settings in `tmp_path` go to."""
    async with running(simulator) as zoho, receiving() as receiver:
        text = settings(database_url, zoho, 1, worker_port=0)
        write_settings(tmp_path, text + ALERTS.format(url=receiver.url, secret=SECRET))
        yield receiver


async def changed(simulator: Simulator, cwd: Path) -> str:
    """Let somebody rename a cadence, and a process see it that ends before it could tell anybody."""
    assert (await cli.run("sync", cwd=cwd)).code == 0
    edit = simulator.edit_one("rename")
    assert (await cli.run("sync", cwd=cwd)).code == 0
    return f"change/{edit.cadence_id}/2"


async def until(connection: Connection, statement: str) -> None:
    async with asyncio.timeout(WAIT):
        while not await connection.fetchval(statement):
            await asyncio.sleep(0.1)


async def test_what_a_killed_process_did_not_send_another_sends_once(
    simulator: Simulator, receiver: Receiver, database_url: str, tmp_path: Path
) -> None:
    killed = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await killed.wait()
        return web.Response()

    receiver.answers = [hang]
    key = await changed(simulator, tmp_path)
    assert receiver.got == []
    async with direct(database_url) as connection:
        async with daemon("worker", tmp_path) as first:
            await receiver.until(1)
            first.send_signal(signal.SIGKILL)
            await first.wait()
            killed.set()
        async with daemon("worker", tmp_path), daemon("worker", tmp_path):
            await connection.execute("UPDATE cadence_sync.alert_outbox SET leased_until = now()")
            await until(connection, "SELECT bool_and(sent_at IS NOT NULL) FROM cadence_sync.alert_outbox")
    assert len(receiver.got) == 2
    assert len({got.headers["Idempotency-Key"] for got in receiver.got}) == 1
    assert [[event["key"] for event in got.json["events"]] for got in receiver.got] == [[key], [key]]


async def test_a_timer_sends_without_a_daemon_and_the_commands_say_how_it_went(
    simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [500]
    await changed(simulator, tmp_path)
    first = await cli.run("alerts", "send", "--json", cwd=tmp_path)
    assert (first.code, first.json) == (4, {"sent": 0, "failed": 1, "dead_lettered": 0})
    (status,) = (await cli.run("alerts", "status", "--json", cwd=tmp_path)).json
    assert (status["channel"], status["pending"], status["last_error"]) == ("hook", 1, "The webhook answers 500.")
    early = await cli.run("alerts", "send", "--json", cwd=tmp_path)
    assert (early.code, early.json) == (0, {"sent": 0, "failed": 0, "dead_lettered": 0})
    assert (await cli.run("alerts", "retry", cwd=tmp_path)).out.startswith("1 event will")
    second = await cli.run("alerts", "send", cwd=tmp_path)
    assert (second.code, second.out.split()) == (0, ["sent", "failed", "dead_lettered", "1", "0", "0"])
    (status,) = (await cli.run("alerts", "status", "--json", cwd=tmp_path)).json
    assert (status["pending"], status["sent"], status["in_settings"]) == (0, 1, True)
    assert (await cli.run("alerts", "drop", "--channel", "hook", cwd=tmp_path)).out.startswith("0 events of")


async def test_a_test_message_shows_the_way_and_no_secret(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [204, 403]
    good = await cli.run("alerts", "test", "--channel", "hook", cwd=tmp_path)
    assert (good.code, good.out.splitlines()[1]) == (0, "hook\twebhook\tsent")
    (event,) = receiver.got[0].json["events"]
    assert event["event"] == "test"
    bad = await cli.run("alerts", "test", "--json", cwd=tmp_path)
    assert bad.code == 4
    assert bad.json == [{"channel": "hook", "kind": "webhook", "error": "The webhook answers 403."}]
    listed = await cli.run("alerts", "list", "--json", cwd=tmp_path)
    assert listed.json["channels"] == [{"channel": "hook", "kind": "webhook", "digest": "off", "names": True}]
    assert listed.json["rules"][0]["events"] == ["changes", "failing", "held", "stale"]
    shown = await cli.run("alerts", "list", cwd=tmp_path)
    unknown = await cli.run("alerts", "test", "--channel", "nobody", cwd=tmp_path)
    assert (unknown.code, "Known: hook." in unknown.err) == (2, True)
    (tmp_path / "cadence-sync.toml").write_text("")
    none = await cli.run("alerts", "test", cwd=tmp_path)
    assert (none.code, "no channel" in none.err) == (2, True)
    for reported in (good, bad, listed, shown, unknown, none):
        assert SECRET not in reported.out + reported.err
        assert receiver.url not in reported.out + reported.err


async def test_serve_tells_and_stops_at_an_address_that_cannot_work(
    simulator: Simulator, receiver: Receiver, database_url: str, tmp_path: Path
) -> None:
    async with direct(database_url) as connection, daemon("serve", tmp_path):
        await until(connection, "SELECT count(*) > 0 FROM cadence_sync.sync_runs WHERE outcome = 'succeeded'")
        simulator.edit_one("rename")
        (got, *_) = await receiver.until(1)
    assert got.json["events"][0]["kind"] == "updated"
    bad = await cli.run("serve", cwd=tmp_path, ALERT_URLS="nonsense://secret-4721")
    assert (bad.code, "'url-1'" in bad.err, "4721" in bad.err) == (2, True, False)


@pytest.mark.long
async def test_a_daemon_ends_though_a_channel_hangs_and_leaves_its_message_to_another(
    simulator: Simulator, receiver: Receiver, database_url: str, tmp_path: Path
) -> None:
    free = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await free.wait()
        return web.Response()

    receiver.answers = [hang]
    file = tmp_path / "cadence-sync.toml"
    chat = f'[alerts.channels.chat]\nurl = "json://{receiver.url.removeprefix("http://")}/chat?rto=600"\n'
    file.write_text(file.read_text().partition("[alerts.")[0] + chat)
    await changed(simulator, tmp_path)
    async with direct(database_url) as connection:
        async with daemon("worker", tmp_path) as hanging:
            await receiver.until(1)
            hanging.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT):
                assert await hanging.wait() == 128 + signal.SIGTERM
            assert not free.is_set()  # it hung to the end
            free.set()
        row = await connection.fetchrow("SELECT attempts, sent_at, last_error FROM cadence_sync.alert_outbox")
        assert tuple(row) == (1, None, None)
        await connection.execute("UPDATE cadence_sync.alert_outbox SET leased_until = now()")
        assert (await cli.run("alerts", "send", cwd=tmp_path)).code == 0
    assert [got.path for got in receiver.got] == ["/chat", "/chat"]
