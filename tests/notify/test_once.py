"""A change is announced once: entered with it, sent by one of many, and tried again until it is taken."""

from tests.notify.post import PAGE, Post, webhook
from tests.notify.receiver import receiving
from tests.support.lab import Lab
from tests.support.records import record


async def test_a_change_is_announced_from_old_to_new_with_a_link(lab: Lab) -> None:
    async with receiving() as receiver:
        post = Post(lab, {"hook": webhook(receiver)})
        await lab.sync(record("1", name="Welcome"))
        await lab.sync(record("1", name="Farewell"))
        await lab.sync(record("1", name="Farewell"))
        await post.send()
        await post.send()
    (got,) = receiver.got
    (event,) = got.json["events"]
    assert event["changes"] == [{"field": "name", "old": "Welcome", "new": "Farewell"}]
    assert event["url"] == f"{PAGE}/cadences/default/1"
    assert "name: Welcome → Farewell" in got.json["text"]
    assert "last editor unknown" in got.json["text"]
    (row,) = await post.rows()
    assert row["sent_at"] is not None
