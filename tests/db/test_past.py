"""Questions to the past see one state of the database, and its own clock."""

from datetime import timedelta

import pytest

from cadence_sync.db import past
from cadence_sync.errors import ArgumentError, DatabaseError
from cadence_sync.wiring import SystemClock
from tests.support.lab import Lab
from tests.support.records import record


async def test_a_sync_meanwhile_does_not_mix_two_states(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", description="Told"))
    async with past.snapshot(lab.engine) as connection:
        before = await past.versions(connection, "default", "1")
        await lab.sync(record("1", description="Told", name="New"))
        (version,) = before
        (learnt,) = version["learnt"]
        assert (learnt["field"], learnt["value"], learnt["run_id"]) == ("description", "Told", 2)
        assert await past.versions(connection, "default", "1") == before
        assert [row["name"] for row in await past.state(connection, lab.clock.time, None, "valid")] == ["Welcome"]
    async with past.snapshot(lab.engine) as connection:
        after = await past.versions(connection, "default", "1")
    assert [version["learnt"] for version in after] == [version["learnt"], []]


async def test_a_time_that_the_database_calls_future(lab: Lab) -> None:
    """A machine whose clock runs ahead of the database's."""
    await lab.sync(record("1"))
    later = SystemClock().now() + timedelta(hours=1)
    with pytest.raises(ArgumentError, match="database's clock"):
        async with past.snapshot(lab.engine) as connection:
            await past.state(connection, later, None, "valid")
    with pytest.raises(DatabaseError):
        async with past.snapshot(lab.engine) as connection:
            await past.state(connection, lab.clock.time, "nobody", "valid")


async def test_many_versions_arrive_in_order(lab: Lab) -> None:
    await lab.sync(*(record(f"{number}") for number in range(1200)))
    await lab.sync(*(record(f"{number}", name="New") for number in range(1200)))
    async with past.snapshot(lab.engine) as connection:
        rows = [row async for row in past.replay(connection, None)]
    assert [(row["version"], row["cadence_id"]) for row in rows] == [
        (version, cadence_id) for version in (1, 2) for cadence_id in sorted(map(str, range(1200)))
    ]
