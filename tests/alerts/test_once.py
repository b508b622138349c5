"""A change is announced once: entered with it, sent by one of many, and tried again until it is taken."""

import asyncio
from collections.abc import Iterable

import pytest
from aiohttp import web

from cadence_sync.alerts.events import AlertEvent
from cadence_sync.alerts.routing import ATTEMPTS
from cadence_sync.db.alert_delivery import AlertDelivery, DueBatch, OutboxMessage, drop_pending, retry_failed
from cadence_sync.db.alert_outbox import FLOOD
from cadence_sync.errors import DatabaseError
from cadence_sync.ports import Actor, Org
from cadence_sync.sync import SyncOptions
from tests.alerts.post import PAGE, Post, changed, sending, webhook
from tests.alerts.receiver import Receiver, lose, receiving
from tests.support.lab import Lab, WrittenSource
from tests.support.records import listing, record


async def test_a_change_is_announced_from_old_to_new_with_a_link(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        await lab.sync(record("1", name="Farewell"))
        await post.send()
        await post.send()
    (got,) = receiver.got
    (event,) = got.json["events"]
    assert event["changes"] == [{"field": "name", "title": "Name", "old": "Welcome", "new": "Farewell"}]
    assert event["url"] == f"{PAGE}/cadences/default/1"
    assert "Name: Welcome → Farewell" in got.json["text"]
    assert "somebody unknown" in got.json["text"]
    (row,) = await post.rows()
    assert row["sent_at"] is not None


async def test_people_read_names_and_programs_get_ids_too(lab: Lab) -> None:
    leads, deals = (
        {"id": "3652397000000000101", "api_name": "Leads"},
        {"id": "3652397000000000102", "api_name": "Deals"},
    )
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(record("1", module=leads))
        await lab.sync(record("1", module=deals))
        await lab.sync()
        await lab.sync(record("1", module=leads))  # it comes back otherwise than it went
        await post.send()
    updated, deleted, restored = (got.json for got in receiver.got)
    assert "Module: Leads → Deals\n" in updated["text"]
    assert leads["id"] not in updated["text"]
    (change,) = updated["events"][0]["changes"]
    assert (change["old"], change["new"]) == (leads["id"], deals["id"])
    assert (change["title"], change["old_label"], change["new_label"]) == ("Module", "Leads", "Deals")
    assert deleted["events"][0]["changes"] == []
    assert [each["field"] for each in restored["events"][0]["changes"]] == ["module.id"]
    assert "came back after it was deleted\nModule: Deals → Leads\n" in restored["text"]


async def test_what_was_there_before_is_not_announced_and_an_unchanged_poll_writes_nothing(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(record("1"), record("2"))
        await lab.sync(record("1"), record("2"))
        assert await post.rows() == []


async def test_a_run_that_is_undone_announces_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise DatabaseError("The last statement of the transaction failed.")

    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(record("1", name="Welcome"))
        with monkeypatch.context() as patch:
            patch.setattr("cadence_sync.db.deletion_reviews.save_held_deletions", fail)
            assert (await lab.sync(record("1", name="Farewell"))).error is not None
        assert await post.rows() == []
        await lab.sync(record("1", name="Farewell"))
        assert len(await post.rows()) == 1


async def test_a_preview_announces_nothing(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(record("1", name="Welcome"))
        source = WrittenSource(listing([record("1", name="Farewell")]), lab.clock)
        assert (await lab.syncing(source).preview()).error is None
        assert await post.rows() == []


async def test_each_channel_is_reported_what_its_rules_ask_for(lab: Lab) -> None:
    async with receiving() as receiver:
        channels = {name: webhook(receiver) for name in ("names", "steps", "both")}
        rules = [
            {"channels": ["names", "both"], "fields": ["name"]},
            {"channels": ["steps", "both"], "fields": ["summary.*"], "orgs": ["default"]},
        ]
        post = Post(lab, channels, rules)
        await changed(lab)
        steps = {"task_follow_up_count": 9, "call_follow_up_count": 1, "email_follow_up_count": 1}
        await lab.sync(record("1", name="Farewell", summary=steps))
        await lab.sync(record("1"), org=Org("other", "us"))
        await lab.sync(record("1", summary=steps), org=Org("other", "us"))
        await lab.sync()  # it is gone, and no rule asks for that
        await post.send()
    reported = sorted((got.json["channel"], event["version"]) for got in receiver.got for event in got.json["events"])
    assert reported == [("both", 2), ("both", 3), ("names", 2), ("steps", 3)]


async def test_many_dispatchers_send_each_message_once(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"a": webhook(receiver), "b": webhook(receiver)})
        await lab.sync(*(record(f"{number}") for number in range(FLOOD)))
        await lab.sync(*(record(f"{number}", name="New") for number in range(FLOOD)))
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(post.send())
    keys = [(got.json["channel"], event["key"]) for got in receiver.got for event in got.json["events"]]
    assert sorted(keys) == sorted((channel, f"change/{n}/2") for channel in ("a", "b") for n in range(FLOOD))
    assert len({got.headers["Idempotency-Key"] for got in receiver.got}) == 2 * FLOOD


async def test_a_flood_of_changes_is_one_message(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(*(record(f"{number}") for number in range(FLOOD + 1)))
        await lab.sync(*(record(f"{number}", name="New") for number in range(FLOOD + 1)))
        await post.send()
    (got,) = receiver.got
    assert len(got.json["events"]) == FLOOD + 1
    assert all(row["sent_at"] for row in await post.rows())


async def test_what_changed_and_what_was_deleted_are_one_flood(lab: Lab) -> None:
    half = FLOOD // 2 + 1
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver), "daily": webhook(receiver) | {"digest": "1d"}})
        await lab.sync(*(record(f"{number}") for number in range(2 * half)))
        await lab.sync(
            *(record(f"{number}", name="New") for number in range(half)), permits=SyncOptions(allow_mass_delete=True)
        )
        await post.send()
    assert [len(got.json["events"]) for got in receiver.got] == [2 * half, 2 * half]
    for got in receiver.got:
        kinds = [event["kind"] for event in got.json["events"]]
        assert (kinds.count("updated"), kinds.count("deleted")) == (half, half)
        assert got.json["title"] == f"{2 * half} changes: default"


async def test_where_the_answer_was_lost_the_same_key_comes_again(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        receiver.answers = [lose]
        await post.send()
        await post.make_due()
        await post.send()
    first, second = receiver.got
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == first.json["id"]
    assert first.body == second.body


async def test_what_was_sent_is_marked_though_the_database_was_away(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, failures = AlertDelivery.mark_sent, [DatabaseError("gone"), DatabaseError("gone")]

    async def sent(delivery: AlertDelivery, message: OutboxMessage) -> None:
        if failures:
            raise failures.pop()
        await usual(delivery, message)

    monkeypatch.setattr(AlertDelivery, "mark_sent", sent)
    monkeypatch.setattr("cadence_sync.alerts.dispatcher.MARK_PAUSE", 0)
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        await post.send()
        await post.make_due()
        await post.send()
    assert len(receiver.got) == 1


async def test_a_message_that_another_has_in_hand_is_left_alone_until_its_lease_ends(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        delivery = AlertDelivery(lab.engine)
        (due,) = await delivery.load_due(["hook"])
        mine = await delivery.claim(due)
        assert mine is not None
        assert await delivery.claim(due) is None
        assert await retry_failed(lab.engine, ["hook"], Actor("ana")) == 0
        await lab.execute("UPDATE cadence_sync.alert_outbox SET leased_until = now()")
        await post.send()
        # The first one comes back: it failed, but another has sent the message meanwhile.
        await delivery.dead_letter(mine, "late")
    (row,) = await post.rows()
    assert (row["sent_at"] is not None, row["dead_lettered_at"], row["attempts"]) == (True, None, 2)


async def test_who_comes_too_late_with_a_message_does_not_send_it_beside_another(lab: Lab) -> None:
    Post(lab, {"hook": webhook(Receiver("http://127.0.0.1:9"))})
    await changed(lab)
    delivery = AlertDelivery(lab.engine)
    (due,) = await delivery.load_due(["hook"])
    mine = await delivery.claim(due)
    assert mine is not None
    assert len(await delivery.load_events(mine)) == 1
    await lab.execute("UPDATE cadence_sync.alert_outbox SET leased_until = now()")
    assert await delivery.load_events(mine) == []  # this process slept for longer than its lease
    theirs = await delivery.claim(due)
    assert theirs is not None
    assert await delivery.load_events(mine) == []
    assert len(await delivery.load_events(theirs)) == 1
    assert await drop_pending(lab.engine, ["hook"], Actor("ana")) == 1
    assert await delivery.load_events(theirs) == []


async def test_what_is_gone_when_it_should_be_sent_is_not_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = AlertDelivery.load_events

    async def read(delivery: AlertDelivery, message: OutboxMessage) -> list[AlertEvent]:
        await drop_pending(delivery.engine, [message.channel], Actor("ana"))
        return await usual(delivery, message)

    monkeypatch.setattr(AlertDelivery, "load_events", read)
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        await post.send()
    assert (receiver.got, post.results) == ([], [])


async def test_a_digest_is_one_message_a_period_and_what_comes_late_is_in_the_next(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"daily": webhook(receiver, digest="1d"), "now": webhook(receiver)})
        await changed(lab)
        await lab.sync(record("1", name="Third"))
        await lab.sync(record("1"), org=Org("other", "us"))
        await lab.sync(record("1", name="Other"), org=Org("other", "us"))
        rows = [row for row in await post.rows() if row["channel"] == "daily"]
        assert {row["due_at"].isoformat() for row in rows} == {"2026-01-06T00:00:00+00:00"}
        receiver.answers = [500]
        async with asyncio.TaskGroup() as group:
            group.create_task(post.send())
            group.create_task(post.send())
        await post.make_due()
        await lab.sync(record("1", name="Fourth"))  # of the day whose digest is gone
        await post.send()
        await post.send()
    daily = [got for got in receiver.got if got.json["channel"] == "daily"]
    keys = {got.headers["Idempotency-Key"] for got in daily}
    assert len(keys) == 1
    assert len(daily[-1].json["events"]) == 3
    late = [row for row in await post.rows() if row["channel"] == "daily" and row["sent_at"] is None]
    assert [row["event_key"] for row in late] == ["change/1/4"]
    assert late[0]["due_at"] > late[0]["created_at"]
    assert len([got for got in receiver.got if got.json["channel"] == "now"]) in {4, 5}


async def test_a_channel_that_hangs_delays_no_other_and_a_daemon_that_stops_waits_for_what_is_under_way(
    lab: Lab,
) -> None:
    free = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await free.wait()
        return web.Response()

    async with receiving() as hanging, receiving() as receiver:
        hanging.answers = [slow]
        post = Post(lab, {"a": webhook(hanging), "b": webhook(receiver)})
        await changed(lab)
        async with sending(post.dispatcher()):
            await hanging.until(1)
            await receiver.until(1)
            asyncio.get_running_loop().call_later(0.1, free.set)
    assert all(row["sent_at"] for row in await post.rows())


async def test_what_goes_wrong_in_the_dispatcher_disturbs_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, faults = AlertDelivery.load_due, [RuntimeError("with a secret"), DatabaseError("gone")]

    async def due(delivery: AlertDelivery, channels: Iterable[str]) -> list[DueBatch]:
        if faults:
            raise faults.pop()
        return await usual(delivery, channels)

    monkeypatch.setattr(AlertDelivery, "load_due", due)
    monkeypatch.setattr("cadence_sync.alerts.dispatcher.TICK", 0.01)
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        async with sending(post.dispatcher()):
            await receiver.until(1)
    assert faults == []


async def test_who_could_not_read_what_to_tell_has_not_tried(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, faults = AlertDelivery.load_events, [DatabaseError("gone")] * (ATTEMPTS + 1)

    async def read(delivery: AlertDelivery, message: OutboxMessage) -> list[AlertEvent]:
        if faults:
            raise faults.pop()
        return await usual(delivery, message)

    monkeypatch.setattr(AlertDelivery, "load_events", read)
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await changed(lab)
        for _ in range(ATTEMPTS + 2):
            await post.dispatcher().drain()
    (row,) = await post.rows()
    assert (row["attempts"], row["sent_at"] is not None, len(receiver.got)) == (1, True, 1)
