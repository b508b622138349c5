"""The scheduler, with the real APScheduler."""

import asyncio

import pytest

from cadence_sync.errors import SettingsError
from cadence_sync.fleet.schedule import Schedule, run_schedule
from cadence_sync.wiring import SystemClock


class Work:
    """Notes each start and end; organisations in `slow` take until they are stopped, `broken` ones raise."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.cleaned_up: list[str] = []
        self.changed = asyncio.Condition()

    async def sync(self, org_id: str) -> None:
        async with self.changed:
            self.started.append(org_id)
            self.changed.notify_all()
        if org_id == "broken":
            raise KeyError("a defect")
        if org_id == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                self.cleaned_up.append(org_id)

    async def until(self, count: int, org_id: str) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: self.started.count(org_id) >= count)


async def test_every_organisation_starts_at_once_and_again_and_a_defect_ends_nobody() -> None:
    work = Work()
    task = asyncio.create_task(run_schedule(Schedule(0.05), ["a", "broken"], work.sync, SystemClock()))
    await work.until(3, "a")
    await work.until(3, "broken")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_run_that_still_goes_on_is_not_started_twice_and_cleans_up_when_stopped() -> None:
    work = Work()
    task = asyncio.create_task(run_schedule(Schedule(0.05), ["slow", "quick"], work.sync, SystemClock()))
    await work.until(4, "quick")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.started.count("slow") == 1
    assert work.cleaned_up == ["slow"]


async def test_a_cron_line_waits_for_its_time_and_nonsense_is_refused_at_once() -> None:
    work = Work()
    task = asyncio.create_task(run_schedule(Schedule(1, "0 0 1 1 *"), ["a"], work.sync, SystemClock()))
    await asyncio.sleep(0.2)
    assert work.started == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(SettingsError, match="CADENCE_SYNC_SYNC_CRON"):
        await run_schedule(Schedule(1, "every day"), ["a"], work.sync, SystemClock())
