"""The scheduler on a real database: who leads, and what it enters in the queue."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from apscheduler.triggers.cron import CronTrigger

from cadence_sync.daemon.schedule import OrgSchedule
from cadence_sync.daemon.scheduler import Scheduler
from cadence_sync.db.orgs import OrgRow
from cadence_sync.db.queue import Connection, direct, is_led, try_acquire_leadership, write_heartbeat
from cadence_sync.errors import DatabaseError
from cadence_sync.wiring import SystemClock
from tests.support.cli import PATIENCE
from tests.support.reader import reader

CLOCK = SystemClock()
LEADERS = """
    SELECT pid FROM cadence_queue.leader AS l
    JOIN pg_stat_activity AS s ON s.pid = l.backend_pid AND s.backend_start = l.backend_start
"""


def often(org_id: str, *, consecutive_failures: int = 0, seconds: float = 3600) -> OrgSchedule:
    last_run_at = CLOCK.now() if consecutive_failures else None
    row = OrgRow(org_id, "us", consecutive_failures=consecutive_failures, last_run_at=last_run_at)
    return OrgSchedule(row, seconds)


class Plans:
    """What is to be synced, as the test says it."""

    def __init__(self, *schedules: OrgSchedule) -> None:
        self.schedules = {schedule.org.org_id: schedule for schedule in schedules}

    async def ask(self, _connection: Connection) -> Mapping[str, OrgSchedule]:
        return dict(self.schedules)


async def nothing() -> None:
    """Clean up nothing."""


@asynccontextmanager
async def scheduling(url: str, plans: Plans) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(url, plans.ask, CLOCK, 3600, nothing)
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(said: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not said():
            await asyncio.sleep(0.02)


async def entered(connection: Connection, *org_ids: str) -> None:
    """Wait until exactly these are in the queue."""
    async with asyncio.timeout(PATIENCE):
        while {row[0] for row in await connection.fetch("SELECT dedupe_key FROM cadence_queue.pgqueuer")} != {*org_ids}:
            await asyncio.sleep(0.02)


async def test_what_is_due_is_entered_and_changes_take_effect_without_a_restart(database_url: str) -> None:
    plans = Plans(often("a"), often("b", consecutive_failures=3))
    async with direct(database_url) as connection, scheduling(database_url, plans):
        await entered(connection, "a")
        plans.schedules["c"] = often("c")
        await entered(connection, "a", "c")
        await connection.execute("DELETE FROM cadence_queue.pgqueuer")
        del plans.schedules["a"]
        plans.schedules["b"] = often("b")  # it was mended
        plans.schedules["c"] = often("c", seconds=1)
        await entered(connection, "b", "c")


async def test_a_cron_line_of_one_that_never_ran(database_url: str) -> None:
    never = OrgSchedule(OrgRow("a", "us"), 900, CronTrigger(second="*"))
    async with direct(database_url) as connection, scheduling(database_url, Plans(never)):
        await entered(connection, "a")


async def test_one_that_fails_just_as_it_is_due_again_waits(database_url: str) -> None:
    plans = Plans(often("a"))

    async def ask(_connection: Connection) -> Mapping[str, OrgSchedule]:
        now = dict(plans.schedules)
        plans.schedules = {"a": often("a", consecutive_failures=1), "b": often("b")}
        return now

    async with direct(database_url) as connection:
        scheduler = Scheduler(database_url, ask, CLOCK, 3600, nothing)
        task = asyncio.create_task(scheduler.run())
        await entered(connection, "b")
        task.cancel()
        await asyncio.wait({task})


async def test_one_leads_and_another_takes_over_where_its_session_ends(database_url: str) -> None:
    plans = Plans(often("a"))
    async with direct(database_url) as connection:
        async with scheduling(database_url, plans) as first, scheduling(database_url, plans) as second:
            await until(lambda: first.ready and second.ready)
            assert first.leading != second.leading
            was_first = first.leading
            (row,) = await connection.fetch(LEADERS)
            await connection.execute("SELECT pg_terminate_backend($1)", row["pid"])
            await until(lambda: not (first if was_first else second).leading)
            await until(lambda: first.leading or second.leading)
            await until(lambda: first.ready and second.ready)
            assert first.leading != second.leading
        assert await connection.fetch(LEADERS) == []


async def test_a_leader_that_is_frozen_is_ended(database_url: str) -> None:
    """It holds its session and shows no sign of life."""
    async with direct(database_url) as frozen, direct(database_url) as other:
        assert await try_acquire_leadership(frozen)
        assert not await try_acquire_leadership(other)
        assert not frozen.is_closed()
        await other.execute("UPDATE cadence_queue.leader SET beat_at = now() - interval '1 hour'")
        async with asyncio.timeout(PATIENCE):
            while not await try_acquire_leadership(other):
                await asyncio.sleep(0.05)
        async with asyncio.timeout(PATIENCE):
            while not frozen.is_closed():
                await asyncio.sleep(0.05)


async def test_a_session_that_has_the_number_of_a_leader_that_is_gone_is_left_alone(database_url: str) -> None:
    async with direct(database_url) as other, direct(database_url) as stranger:
        pid = await stranger.fetchval("SELECT pg_backend_pid()")
        await other.execute(
            "INSERT INTO cadence_queue.leader (backend_pid, backend_start, beat_at)"
            " SELECT $1, now() - interval '1 day', now() - interval '1 hour'",
            pid,
        )
        assert await try_acquire_leadership(other)
        assert await stranger.fetchval("SELECT 1") == 1


async def test_a_leader_whose_session_is_gone_is_replaced_though_its_heartbeat_is_fresh(database_url: str) -> None:
    async with direct(database_url) as gone:
        assert await try_acquire_leadership(gone)
    async with direct(database_url) as other:
        await gone_from_the_server(other)
        assert not await is_led(other)
        assert await try_acquire_leadership(other)
        assert await is_led(other)
        assert await write_heartbeat(other)


async def test_a_leader_of_another_role_is_followed_until_its_heartbeats_stop(database_url: str) -> None:
    async with direct(database_url) as first, reader(database_url) as other:
        role = await other.fetchval("SELECT current_user")
        await first.execute(f"GRANT USAGE ON SCHEMA cadence_queue TO {role}")
        await first.execute(f"GRANT SELECT, INSERT, UPDATE ON cadence_queue.leader TO {role}")
        assert await try_acquire_leadership(first)
        assert not await try_acquire_leadership(other)
        assert await is_led(other)
        await first.execute("UPDATE cadence_queue.leader SET beat_at = now() - interval '1 hour'")
        assert await try_acquire_leadership(other)
        assert not await write_heartbeat(first)


async def gone_from_the_server(connection: Connection) -> None:
    """Wait until the server has ended the leader's session."""
    async with asyncio.timeout(PATIENCE):
        while await connection.fetch(LEADERS):
            await asyncio.sleep(0.02)


async def test_of_many_that_try_at_once_one_leads(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(direct(database_url)) for _ in range(8)]
        for _ in range(5):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(try_acquire_leadership(connection)) for connection in connections]
            assert [task.result() for task in tasks].count(True) == 1
            await connections[0].execute("TRUNCATE cadence_queue.leader")


async def test_the_lead_ends_where_another_session_has_it(database_url: str) -> None:
    plans = Plans(often("a"))
    async with direct(database_url) as other, scheduling(database_url, plans) as scheduler:
        await until(lambda: scheduler.leading)
        await other.execute(
            "UPDATE cadence_queue.leader SET (backend_pid, backend_start) ="
            " (SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())"
        )
        await until(lambda: not scheduler.leading)
        assert await write_heartbeat(other)
        await until(lambda: scheduler.following)
        await other.execute("UPDATE cadence_queue.leader SET beat_at = now() - interval '1 hour'")


async def test_a_follower_is_ready_only_while_heartbeats_arrive(database_url: str) -> None:
    """A session that cannot be ended, as one of another role, leads nobody."""
    async with direct(database_url) as frozen, direct(database_url) as other:
        assert await try_acquire_leadership(frozen)
        async with scheduling(database_url, Plans(often("a"))) as scheduler:
            await until(lambda: scheduler.ready)
            assert (scheduler.following, scheduler.leading) == (True, False)
            async with other.transaction():  # nobody can take the lead meanwhile
                await other.execute("UPDATE cadence_queue.leader SET beat_at = now() + interval '1 day'")
                await other.execute("SELECT pg_terminate_backend($1)", frozen.get_server_pid())
                await until(lambda: not scheduler.ready)
            await until(lambda: scheduler.leading)


async def test_the_leader_cleans_up_and_outlives_what_goes_wrong(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence_sync.daemon.scheduler.HOUR", 1)
    called: list[str] = []

    async def clean_up() -> None:
        called.append("")
        raise DatabaseError("Nothing is deleted today.")

    scheduler = Scheduler(database_url, Plans(often("a")).ask, CLOCK, 3600, clean_up)
    task = asyncio.create_task(scheduler.run())
    await until(lambda: len(called) >= 2)
    assert scheduler.leading
    task.cancel()
    await asyncio.wait({task})
