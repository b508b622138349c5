"""All runs of a day stay within the budget of API calls, whatever becomes of them."""

import asyncio

import pytest

from cadence_sync.core.report import Report
from cadence_sync.db.engine import LOCK_ORG
from cadence_sync.db.store import PostgresStore
from cadence_sync.errors import BudgetError, DatabaseError
from cadence_sync.ports import ApiUsage, Org
from tests.support.cli import PATIENCE
from tests.support.lab import ORG, Lab, WrittenSource
from tests.support.records import listing, record

BODY = listing([record("1")])


async def spend(lab: Lab, calls: int, credits_left: int | None = None, org: Org = ORG) -> Report:
    lab.clock.move(minutes=1)
    traffic = ApiUsage(calls, 1, credits_left)
    return await lab.syncing(WrittenSource(BODY, lab.clock, usage=traffic), org).run("test")


@pytest.fixture
def frugal(lab: Lab) -> Lab:
    lab.store = PostgresStore(lab.engine, lease=60, budget=100)
    return lab


async def test_without_a_budget_a_run_may_make_as_many_calls_as_it_needs(lab: Lab) -> None:
    assert (await lab.store.begin(ORG, "test", lab.clock.now())).paging.allowance is None


async def test_a_run_may_make_what_is_left_and_none_is_a_failure(frugal: Lab) -> None:
    assert (await spend(frugal, 30)).exit_code == 0
    assert (await spend(frugal, 65)).exit_code == 0
    run = await frugal.store.begin(ORG, "test", frugal.clock.now())
    assert run.paging.allowance == 5
    await frugal.execute(
        "UPDATE cadence_sync.sync_runs SET api_calls = 5, outcome = 'failed', error_code = 'X',"
        " finished_at = now() WHERE outcome IS NULL"
    )
    report = await spend(frugal, 1)
    assert (report.exit_code, report.error and report.error.code) == (4, "API_BUDGET")
    (last,) = await frugal.rows("SELECT outcome, error_code, api_calls FROM cadence_sync.sync_runs WHERE run_id = 4")
    assert last == {"outcome": "failed", "error_code": "API_BUDGET", "api_calls": 0}
    frugal.clock.move(hours=24)
    assert (await spend(frugal, 1)).exit_code == 0


async def test_a_run_under_way_and_a_killed_one_count_with_what_they_reserved(frugal: Lab) -> None:
    first = await frugal.store.begin(ORG, "test", frugal.clock.now())
    assert first.paging.allowance == 60
    second = await frugal.store.begin(ORG, "test", frugal.clock.now())
    assert second.paging.allowance == 40
    with pytest.raises(BudgetError):
        await frugal.store.begin(ORG, "test", frugal.clock.now())
    await frugal.execute("UPDATE cadence_sync.sync_runs SET process_started = '1.00' WHERE run_id <= 2")
    with pytest.raises(BudgetError):
        await frugal.store.begin(ORG, "test", frugal.clock.now())
    runs = await frugal.rows("SELECT error_code FROM cadence_sync.sync_runs ORDER BY run_id")
    assert [run["error_code"] for run in runs] == ["ABANDONED", "ABANDONED", "API_BUDGET", "API_BUDGET"]


async def test_what_one_organization_spends_is_not_taken_from_another(frugal: Lab) -> None:
    assert (await spend(frugal, 95, org=Org("sandbox", "us"))).exit_code == 0
    assert (await frugal.store.begin(ORG, "test", frugal.clock.now())).paging.allowance == 60


async def test_two_runs_reserve_one_after_the_other(frugal: Lab) -> None:
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted"
    await frugal.execute("INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('default', 'us')")
    async with frugal.engine.begin() as other, asyncio.timeout(9):
        await other.execute(LOCK_ORG, {"org_id": ORG.org_id})
        begun = asyncio.create_task(frugal.store.begin(ORG, "test", frugal.clock.now()))
        while not await frugal.rows(waits):
            assert not begun.done()
            await asyncio.sleep(0.01)
    assert (await begun).paging.allowance == 60


async def test_what_zoho_says_of_the_credits_left_is_recorded(lab: Lab) -> None:
    await spend(lab, 1, credits_left=1234)
    await spend(lab, 1)
    runs = await lab.rows("SELECT credits_left FROM cadence_sync.sync_runs ORDER BY run_id")
    assert [run["credits_left"] for run in runs] == [1234, None]


async def test_a_run_whose_reservation_is_cut_is_closed(frugal: Lab) -> None:
    assert (await spend(frugal, 1)).exit_code == 0
    end_waiting = (
        "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with frugal.engine.connect() as holder:
        await holder.execute(LOCK_ORG, {"org_id": ORG.org_id})
        began = asyncio.create_task(frugal.store.begin(ORG, "test", frugal.clock.now()))
        async with asyncio.timeout(PATIENCE):
            while not (await frugal.row(end_waiting))["ended"]:
                await asyncio.sleep(0.02)
    with pytest.raises(DatabaseError):
        await began
    last = await frugal.row("SELECT outcome, error_code FROM cadence_sync.sync_runs WHERE run_id = 2")
    assert last == {"outcome": "failed", "error_code": "DATABASE_UNREACHABLE"}
