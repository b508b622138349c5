"""Held deletions, failing organizations and old copies are announced once an episode, and their ends too."""

from datetime import datetime, timedelta
from typing import Any

from cadence_sync.db import alert_delivery, alert_outbox
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.db.orgs import purge
from cadence_sync.db.pruning import prune
from cadence_sync.errors import AccessError
from cadence_sync.ports import Actor
from tests.alerts.post import Post, webhook
from tests.alerts.receiver import Receiver, receiving
from tests.support.lab import Lab, WrittenSource
from tests.support.records import listing, record

MANY = [record(f"{number}", name=f"Cadence {number}") for number in range(12)]
DAY = timedelta(days=1)


def events(receiver: Receiver) -> list[dict[str, Any]]:
    return [event for got in receiver.got for event in got.json["events"]]


async def fails(lab: Lab, times: int = 1) -> None:
    for _ in range(times):
        lab.clock.move(minutes=1)
        error = AccessError("Zoho refused the token.", hint="Look.", code="INVALID_TOKEN")
        await lab.syncing(WrittenSource(listing([]), lab.clock, error)).run("test")


async def watched(post: Post, *, after: timedelta = DAY) -> None:
    def is_stale(_org_id: str, last: datetime) -> bool:
        return post.lab.clock.time - last > after

    await alert_outbox.enter_staleness(post.lab.engine, post.alerting, post.lab.clock.time, is_stale)
    await post.send()


async def test_held_deletions_and_the_decision_about_them(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)}, [{"channels": ["hook"], "events": ["held"]}])
        await lab.sync(*MANY)
        report = await lab.sync(MANY[0])
        await lab.sync(MANY[0])  # the same case
        assert report.run_id is not None
        await post.send()
        (held,) = events(receiver)
        assert (held["event"], held["count"], len(held["names"])) == ("deletions_held", 11, 10)
        assert receiver.got[0].json["text"].endswith(f"/runs/{report.run_id}")
        await review_deletions(lab.engine, report.run_id, "approved", Actor("kim"), post.alerting)
        await post.send()
        decided = events(receiver)[1]
        assert (decided["event"], decided["decision"], decided["decided_by"]) == (
            "deletions_reviewed",
            "approved",
            "kim",
        )
        assert decided["count"] == 11
        await lab.sync(MANY[0])  # they are deleted, which this channel does not want to know
        await post.send()
    assert len(receiver.got) == 2


async def test_held_deletions_that_are_reported_late_say_what_became_of_them(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)}, [{"channels": ["hook"], "events": ["held"]}])
        await lab.sync(*MANY)
        await lab.sync(MANY[0])
        await lab.sync(*MANY)  # all are there again
        report = await lab.sync(MANY[0])
        assert report.run_id is not None
        receiver.answers = [500, 500]
        await post.send()
        await review_deletions(lab.engine, report.run_id, "rejected", Actor("kim"), post.alerting)
        await post.make_due()
        await post.send()
    held = [event for event in events(receiver)[2:] if event["event"] == "deletions_held"]
    reported = [(event["state"], event["decided_by"]) for event in held]
    assert reported == [("settled", None), ("rejected", "kim")]


async def test_held_deletions_whose_place_a_newer_case_took_say_so(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)}, [{"channels": ["hook"], "events": ["held"]}])
        await lab.sync(*MANY)
        await lab.sync(MANY[0])
        await lab.sync()  # one more is missing
        await post.send()
    assert [event["state"] for event in events(receiver)] == ["replaced", "open"]
    assert "and 11 more" not in receiver.got[0].json["text"]


async def test_an_organization_that_fails_is_reported_of_once_and_once_that_it_works_again(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(MANY[0])
        await fails(lab, 2)
        await watched(post)
        assert events(receiver) == []
        await fails(lab, 3)
        await watched(post)
        await watched(post)
        (failing,) = events(receiver)
        assert failing["event"] == "failing"
        assert failing["error"] == {"code": "INVALID_TOKEN", "message": "Zoho refused the token.", "hint": "Look."}
        await lab.sync(MANY[0])
        await watched(post)
        await watched(post)
        assert [event["status"] for event in events(receiver)] == ["firing", "resolved"]
        await fails(lab, 3)
        await watched(post)
    assert [event["status"] for event in events(receiver)] == ["firing", "resolved", "firing"]


async def test_an_old_copy_is_reported_of_once_and_once_that_it_is_read_again(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(MANY[0])
        lab.clock.move(hours=23)
        await watched(post)
        assert events(receiver) == []
        lab.clock.move(hours=2)
        await watched(post)
        await watched(post)
        assert [event["event"] for event in events(receiver)] == ["stale"]
        await lab.sync(MANY[0])
        await watched(post)
        await watched(post)
        assert [event["status"] for event in events(receiver)] == ["firing", "resolved"]
        lab.clock.move(days=2)
        await lab.execute("UPDATE cadence_sync.orgs SET enabled = false")
        await watched(post)
    assert len(events(receiver)) == 2


async def test_what_was_dropped_of_an_episode_that_lasts_does_not_come_anew_nor_its_end(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(MANY[0])
        lab.clock.move(days=2)
        receiver.answers = [500]
        await watched(post)
        await fails(lab, 3)
        assert await alert_delivery.drop_pending(lab.engine, ["hook"], Actor("ana")) == 2
        assert await alert_delivery.drop_pending(lab.engine, ["hook"], Actor("ana")) == 0
        assert await alert_delivery.delivery_status(lab.engine) == []
        await post.make_due()
        await lab.execute("UPDATE cadence_sync.alert_outbox SET sent_at = '2026-01-01'")
        await prune(lab.engine, lab.clock.time, DAY)
        await watched(post)
        await lab.sync(MANY[0])  # it is over
        await watched(post)
        assert len(receiver.got) == 1
        lab.clock.move(days=2)
        await watched(post)
    assert [event["event"] for event in events(receiver)] == ["stale", "stale"]


async def test_an_episode_that_lasts_outlives_pruning(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(MANY[0])
        await lab.sync(record("0", name="New"))
        lab.clock.move(days=2)
        await watched(post)
        await lab.execute("UPDATE cadence_sync.alert_outbox SET sent_at = '2026-01-01'")
        dry = await prune(lab.engine, lab.clock.time, DAY, dry_run=True)
        done = await prune(lab.engine, lab.clock.time, DAY)
        assert (dry.alerts, done.alerts) == (1, 1)
        await watched(post)
        assert [event["event"] for event in events(receiver)] == ["change", "stale"]
        await lab.sync(record("0", name="New"))
        await watched(post)
        await lab.execute("UPDATE cadence_sync.alert_outbox SET sent_at = '2026-01-01'")
        await prune(lab.engine, lab.clock.time, DAY)
        await watched(post)
        assert [event.get("status") for event in events(receiver)] == [None, "firing", "resolved"]
        assert await post.rows() == []


async def test_what_was_not_sent_is_not_pruned_and_goes_with_its_organization(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(MANY[0])
        await lab.sync(record("0", name="New"))
        await prune(lab.engine, lab.clock.time + 400 * DAY, DAY)
        assert len(await post.rows()) == 1
        assert (await purge(lab.engine, "default", Actor("ana")))["alert_outbox"] == 1
        await post.send()
    assert receiver.got == []
