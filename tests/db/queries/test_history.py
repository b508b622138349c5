"""Questions to the past see one state of the database, and its own clock."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.labels import Axis
from cadence_sync.db.queries import as_of, history
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError, DatabaseError
from cadence_sync.wiring import SystemClock
from tests.support.lab import Lab
from tests.support.records import record, without


async def state(connection: AsyncConnection, at: datetime, org: str | None, axis: Axis) -> list[tuple[Any, ...]]:
    """Return names and rules of the cadences of a time."""
    query = as_of.PastQuery(at, axis, ("name", "unenroll_properties"), OrgScope(org))
    rows, _ = await as_of.list_as_of(connection, query)
    return [(row.name, row.unenroll_properties) for row in rows]


async def test_a_sync_meanwhile_does_not_mix_two_states(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", description="Text"))
    async with history.snapshot(lab.engine) as connection:
        before = await history.load_versions(connection, "default", "1")
        await lab.sync(record("1", description="Text", name="New"))
        (version,) = before
        (discovered,) = version["discovered"]
        assert (discovered["field"], discovered["value"], discovered["run_id"]) == ("description", "Text", 2)
        assert await history.load_versions(connection, "default", "1") == before
        assert [name for name, _ in await state(connection, lab.clock.time, None, Axis.VALID)] == ["Welcome"]
    async with history.snapshot(lab.engine) as connection:
        after = await history.load_versions(connection, "default", "1")
    assert [version["discovered"] for version in after] == [version["discovered"], []]


async def test_a_time_that_the_database_calls_future(lab: Lab) -> None:
    """A machine whose clock runs ahead of the database's."""
    await lab.sync(record("1"))
    later = SystemClock().now() + timedelta(hours=1)
    with pytest.raises(ArgumentError, match="database's clock"):
        async with history.snapshot(lab.engine) as connection:
            await as_of.check_time(connection, later)
    with pytest.raises(DatabaseError):
        async with history.snapshot(lab.engine) as connection:
            await state(connection, lab.clock.time, "nobody", Axis.VALID)


async def test_many_versions_arrive_in_order(lab: Lab) -> None:
    await lab.sync(*(record(f"{number}") for number in range(1200)))
    await lab.sync(*(record(f"{number}", name="New") for number in range(1200)))
    async with history.snapshot(lab.engine) as connection:
        rows = [row async for row in history.replay(connection, OrgScope())]
    assert [(row["version"], row["cadence_id"]) for row in rows] == [
        (version, cadence_id) for version in (1, 2) for cadence_id in sorted(map(str, range(1200)))
    ]


async def test_what_had_been_seen_stays_what_it_was(lab: Lab) -> None:
    details = record()["execution_details"]
    await lab.sync(record("1", execution_details=without(details, "unenroll_properties")))
    at = lab.clock.time
    async with history.snapshot(lab.engine) as connection:
        before = await state(connection, at, "default", Axis.OBSERVED)
    assert [rules for _, rules in before] == [None]
    await lab.sync(record("1"))
    async with history.snapshot(lab.engine) as connection:
        assert await state(connection, at, "default", Axis.OBSERVED) == before
        (now,) = await state(connection, at, "default", Axis.VALID)
    assert now[1] == {"type": "respond_email", "end_date": None}


async def test_a_clock_that_is_set_back_does_not_turn_the_order_round(lab: Lab) -> None:
    await lab.sync(record("1"))
    lab.clock.move(hours=1)
    await lab.sync(record("1", description="Text"))
    lab.clock.move(minutes=-30)
    await lab.sync(record("1", description="Text", summary=record()["summary"] | {"whatsapp_follow_up_count": 1}))
    await lab.sync(record("1", description="Text", name="New"))
    async with history.snapshot(lab.engine) as connection:
        rows = [row async for row in history.replay(connection, OrgScope("default"))]
    assert [(row["kind"], row["discovered"]) for row in rows] == [
        ("baseline", None),
        ("discovered", {"summary.whatsapp_follow_up_count": 1}),
        ("discovered", {"description": "Text"}),
        ("updated", None),
    ]
    assert rows[2]["discovered_before"] == {"summary.whatsapp_follow_up_count": 1}
    assert rows[2]["valid_from"] < rows[3]["valid_from"]
