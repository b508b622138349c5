"""What a reader sends to the queue's channel ends no job, says nothing critical, and does not keep a worker busy."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest

from cadence_sync.daemon import queue
from cadence_sync.daemon.notifications import WAKE_PAUSE, EventFilter
from cadence_sync.daemon.queue import CHANNEL
from cadence_sync.db.queue import direct
from tests.daemon.test_worker import Work, due, working
from tests.support.cli import PATIENCE
from tests.support.reader import reader

GARBAGE = ("", "{", "null", '{"type": "nothing"}', "x" * 7000)
LOG = "SELECT DISTINCT status::text FROM cadence_queue.pgqueuer_log"


def wakes(operation: str = "insert") -> str:
    event = {"type": "table_changed_event", "operation": operation, "table": "pgqueuer"}
    return json.dumps(event | {"channel": CHANNEL, "sent_at": "2026-01-01T00:00:00Z"})


async def test_a_reader_ends_no_job_and_nothing_is_critical(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, warned = Work(), list[str]()
    log = SimpleNamespace(warning=lambda event, **_fields: warned.append(event))
    monkeypatch.setattr("cadence_sync.daemon.notifications.log", log)
    async with direct(database_url) as connection, reader(database_url) as stranger:
        await queue.enqueue(connection, [due(0)])
        async with working(database_url, work):
            await work.until(lambda: work.started == ["org-0"])
            job = await connection.fetchval("SELECT id FROM cadence_queue.pgqueuer")
            cancels = {"type": "cancellation_event", "ids": [job], "channel": CHANNEL}
            for payload in (*GARBAGE, json.dumps(cancels | {"sent_at": "2026-01-01T00:00:00Z"}), wakes()):
                await stranger.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
            await queue.enqueue(connection, [due(1)])
            await work.until(lambda: "org-1" in work.started)  # notifications come in their order
            work.open.set()
            await work.until(lambda: len(work.done) == 2)
        assert {row["status"] for row in await connection.fetch(LOG)} == {"queued", "picked", "successful"}
    assert work.stopped == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert warned == ["notification_ignored"]


async def test_many_events_at_once_wake_a_worker_twice() -> None:
    passed: list[str | bytes | bytearray] = []
    came = asyncio.Event()

    def take(payload: str | bytes | bytearray) -> None:
        passed.append(payload)
        if payload == wakes("update"):
            came.set()

    listener = EventFilter(take)
    async with asyncio.timeout(PATIENCE):
        listener(wakes())
        await asyncio.sleep(0)
        for _ in range(1000):
            listener(wakes())
        while not passed:
            await asyncio.sleep(0)
        for _ in range(1000):
            listener(wakes("update"))
        await came.wait()
    assert passed == [wakes(), wakes("update")]
    assert WAKE_PAUSE < 1
