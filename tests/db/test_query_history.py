"""Questions to the past see one state of the database, and its own clock."""

from datetime import timedelta

import pytest

from cadence_sync.db.queries import history
from cadence_sync.errors import ArgumentError, DatabaseError
from cadence_sync.wiring import SystemClock
from tests.support.lab import Lab
from tests.support.records import record, without


async def test_a_sync_meanwhile_does_not_mix_two_states(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", description="Told"))
    async with history.snapshot(lab.engine) as connection:
        before = await history.versions(connection, "default", "1")
        await lab.sync(record("1", description="Told", name="New"))
        (version,) = before
        (discovered,) = version["discovered"]
        assert (discovered["field"], discovered["value"], discovered["run_id"]) == ("description", "Told", 2)
        assert await history.versions(connection, "default", "1") == before
        assert [row["name"] for row in await history.state(connection, lab.clock.time, None, "valid")] == ["Welcome"]
    async with history.snapshot(lab.engine) as connection:
        after = await history.versions(connection, "default", "1")
    assert [version["discovered"] for version in after] == [version["discovered"], []]


async def test_a_time_that_the_database_calls_future(lab: Lab) -> None:
    """A machine whose clock runs ahead of the database's."""
    await lab.sync(record("1"))
    later = SystemClock().now() + timedelta(hours=1)
    with pytest.raises(ArgumentError, match="database's clock"):
        async with history.snapshot(lab.engine) as connection:
            await history.state(connection, later, None, "valid")
    with pytest.raises(DatabaseError):
        async with history.snapshot(lab.engine) as connection:
            await history.state(connection, lab.clock.time, "nobody", "valid")


async def test_many_versions_arrive_in_order(lab: Lab) -> None:
    await lab.sync(*(record(f"{number}") for number in range(1200)))
    await lab.sync(*(record(f"{number}", name="New") for number in range(1200)))
    async with history.snapshot(lab.engine) as connection:
        rows = [row async for row in history.replay(connection, None)]
    assert [(row["version"], row["cadence_id"]) for row in rows] == [
        (version, cadence_id) for version in (1, 2) for cadence_id in sorted(map(str, range(1200)))
    ]


async def test_what_had_been_seen_stays_what_it_was(lab: Lab) -> None:
    details = record()["execution_details"]
    await lab.sync(record("1", execution_details=without(details, "unenroll_properties")))
    at = lab.clock.time
    async with history.snapshot(lab.engine) as connection:
        before = await history.state(connection, at, "default", "observed")
    assert [row["unenroll_properties"] for row in before] == [None]
    await lab.sync(record("1"))
    async with history.snapshot(lab.engine) as connection:
        assert await history.state(connection, at, "default", "observed") == before
        (now,) = await history.state(connection, at, "default", "valid")
    assert now["unenroll_properties"] == {"type": "respond_email", "end_date": None}


async def test_a_clock_that_is_set_back_does_not_turn_the_order_round(lab: Lab) -> None:
    await lab.sync(record("1"))
    lab.clock.move(hours=1)
    await lab.sync(record("1", description="Told"))
    lab.clock.move(minutes=-30)
    await lab.sync(record("1", description="Told", summary=record()["summary"] | {"whatsapp_follow_up_count": 1}))
    await lab.sync(record("1", description="Told", name="New"))
    async with history.snapshot(lab.engine) as connection:
        rows = [row async for row in history.replay(connection, "default")]
    assert [(row["kind"], row["discovered"]) for row in rows] == [
        ("baseline", None),
        ("discovered", {"summary.whatsapp_follow_up_count": 1}),
        ("discovered", {"description": "Told"}),
        ("updated", None),
    ]
    assert rows[2]["discovered_before"] == {"summary.whatsapp_follow_up_count": 1}
    assert rows[2]["valid_from"] < rows[3]["valid_from"]
