"""Pruning takes runs that nobody needs, and no answer changes that is promised to stay."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.db import pruning
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.db.engine import LOCK_ORG
from cadence_sync.db.integrity import examine
from cadence_sync.db.pruning import Pruned, prune
from cadence_sync.db.queue import LOG, STATISTICS
from cadence_sync.errors import AccessError
from cadence_sync.ports import Actor, Org
from cadence_sync.sync import SyncOptions
from tests.db.pasts import live
from tests.support.lab import ORG, START, Lab, WrittenSource
from tests.support.records import record

DAY = timedelta(days=1)
FORTNIGHT = timedelta(days=14)
BAD = record("2", summary={"email_follow_up_count": "many"})
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Niue",
         "Atlantic/Azores", "Antarctica/Troll", "Australia/Lord_Howe")  # fmt: skip

STABLE = {
    "freshness": "SELECT (f.*)::text FROM (SELECT org_id, data_center, enabled, watched_since, observed_at,"
    " last_success_at, last_run_id, last_started_at, last_outcome, last_error_code, last_error_message, live, deleted,"
    " held, missing, quarantined, unknown_fields FROM cadence_reporting.sync_freshness) AS f",
    "history": "SELECT (h.*)::text FROM cadence_reporting.cadence_history AS h",
    "changes": "SELECT (c.*)::text FROM cadence_reporting.change_log AS c",
    "discovered": "SELECT (l.*)::text FROM cadence_reporting.discovered_fields AS l",
    "days": "SELECT (d.*)::text FROM cadence_reporting.daily_runs AS d",
    "not before": "SELECT h.org_id || h.cadence_id || h.version || max(r.started_at)"
    " FROM cadence_reporting.cadence_history AS h JOIN cadence_reporting.sync_runs AS r"
    " ON r.org_id = h.org_id AND r.run_id < h.run_id AND r.outcome <> 'failed'"
    " GROUP BY h.org_id, h.cadence_id, h.version",
    "problems": "SELECT concat_ws('/', org_id, cadence_id, name, reason, min(observed_at), max(observed_at))"
    " FROM cadence_reporting.quarantined_records GROUP BY org_id, cadence_id, name, reason",
    "ever in quarantine": "SELECT DISTINCT org_id || cadence_id FROM cadence_sync.quarantined_records",
    "cases": "SELECT DISTINCT ON (org_id) org_id || run_id || hold_id FROM cadence_sync.sync_runs"
    " WHERE hold_id IS NOT NULL ORDER BY org_id, run_id DESC",
}


async def answers(lab: Lab) -> dict[str, list[Any]]:
    """Return every answer that pruning must not change."""
    found: dict[str, list[Any]] = {}
    async with lab.engine.connect() as connection:
        for what, question in STABLE.items():
            found[what] = sorted(str(row[0]) for row in await connection.execute(text(question)))
        for zone in ZONES:
            await connection.execute(text(f"SET timezone = '{zone}'"))
            days = await connection.execute(
                text("SELECT DISTINCT org_id, day, observed FROM cadence_reporting.daily_snapshots ORDER BY 1, 2")
            )
            found[zone] = [tuple(row) for row in days]
    return found


async def run_ids(lab: Lab, where: str = "true") -> list[int]:
    rows = await lab.rows(f"SELECT run_id FROM cadence_sync.sync_runs WHERE {where} ORDER BY run_id")
    return [row["run_id"] for row in rows]


async def whole(lab: Lab) -> bool:
    return all(finding.ok for finding in await examine(lab.engine))


async def later(lab: Lab, *records: dict[str, Any], org: Org = ORG, hours: float = 12) -> None:
    """Sync hours later."""
    lab.clock.move(hours=hours)
    await lab.sync(*records, org=org, permits=SyncOptions(threshold=DeletionThreshold(1, 0)))


@pytest.mark.parametrize("seed", range(3))
async def test_no_answer_changes(lab: Lab, seed: int) -> None:
    await live(lab, seed)
    before, ledger = await answers(lab), await run_ids(lab)
    wrote = await run_ids(lab, "baseline + created + updated + deleted + restored > 0")
    sums = "SELECT sum(runs) AS runs, sum(failed) AS failed, sum(api_calls) AS calls FROM cadence_reporting.daily_runs"
    total = await lab.row(sums)
    now = lab.clock.time
    for keep in (timedelta(days=40), FORTNIGHT, timedelta(0)):
        expected = await prune(lab.engine, now, keep, dry_run=True)
        assert await prune(lab.engine, now, keep) == expected
        assert expected.runs > 0
        assert await prune(lab.engine, now, keep) == Pruned()
        assert await answers(lab) == before
        assert await lab.row(sums) == total
        assert await whole(lab)
    left = await run_ids(lab)
    assert len(left) < len(ledger) * 0.8
    assert set(wrote) <= set(left)
    recent = await lab.rows(f"SELECT run_id FROM cadence_sync.sync_runs WHERE started_at >= '{now - DAY}'")
    assert {run for run in ledger if run >= min(row["run_id"] for row in recent)} <= set(left)
    await live(lab, seed, days=70)
    assert await whole(lab)


async def test_what_stays_of_a_quiet_month(lab: Lab) -> None:
    for _ in range(60):
        await later(lab, record("1"))
    now = lab.clock.time
    assert await prune(lab.engine, now, FORTNIGHT) == Pruned(runs=31)
    assert await run_ids(lab, f"started_at < '{now - FORTNIGHT}'") == [1]
    days = await lab.rows("SELECT day, runs, failed, api_calls FROM cadence_sync.daily_runs ORDER BY day")
    assert days[0] == {"day": date(2026, 1, 6), "runs": 2, "failed": 0, "api_calls": 2}
    assert sum(day["runs"] for day in days) == 31


async def test_an_organization_that_nobody_syncs_any_more_keeps_its_last_words(lab: Lab) -> None:
    for _ in range(4):
        await later(lab, record("1"))
    refused = AccessError("Zoho refused the refresh token.", code="TOKEN_REFUSED")
    for _ in range(3):
        lab.clock.move(hours=12)
        await lab.syncing(WrittenSource(b"", lab.clock, refused)).run("schedule")
    before = await answers(lab)
    assert (await prune(lab.engine, lab.clock.time + timedelta(days=900), FORTNIGHT)).runs == 4
    assert await run_ids(lab) == [1, 4, 7]
    assert await answers(lab) == before


async def test_a_clock_that_was_set_back_makes_nothing_look_older(lab: Lab) -> None:
    good = "SELECT min(started_at), max(finished_at) FROM cadence_sync.sync_runs WHERE outcome <> 'failed'"
    for hours in (12, 12, 12, -50, 12, -4):
        await later(lab, hours=hours)
    before = await answers(lab), await lab.row(good)
    await prune(lab.engine, lab.clock.time + 2 * FORTNIGHT, DAY)
    assert await run_ids(lab) == [1, 2, 3, 4, 5, 6]
    assert (await answers(lab), await lab.row(good)) == before
    await later(lab, hours=60)
    await prune(lab.engine, lab.clock.time + 2 * FORTNIGHT, DAY)
    assert await run_ids(lab) == [4, 7]


async def test_an_organization_without_cadences_keeps_its_first_and_last_run(lab: Lab) -> None:
    for _ in range(5):
        await later(lab)
    await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY)
    assert await run_ids(lab) == [1, 5]


async def test_the_run_before_a_change_says_how_old_it_can_be(lab: Lab) -> None:
    for name in ("A", "A", "A", "B", "B", "B", "B"):
        await later(lab, record("1", name=name))
    await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY)
    assert await run_ids(lab) == [1, 3, 4, 7]


async def test_a_run_that_discovered_something_or_is_not_over_stays(lab: Lab) -> None:
    for reported in ({}, {}, {"description": "Known"}, {"description": "Known"}, {"description": "Known"}):
        await later(lab, record("1", **reported))
    await lab.store.begin(ORG, "test", lab.clock.time)
    for _ in range(3):
        await later(lab, record("1", description="Known"))
    await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY)
    assert await run_ids(lab) == [1, 3, 6, 9]
    assert await whole(lab)


async def test_the_first_and_the_last_record_of_a_problem_stay(lab: Lab) -> None:
    other = record("2", summary={"task_follow_up_count": "few"})
    for bad in (BAD, BAD, BAD, other, other, other, BAD, BAD, record("2"), record("2")):
        await later(lab, record("1"), bad)
    assert await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY) == Pruned(runs=4, quarantined_records=4)
    rows = await lab.rows("SELECT run_id, split_part(reason, ':', 1) AS field FROM cadence_sync.quarantined_records")
    email, task = "summary.email_follow_up_count", "summary.task_follow_up_count"
    assert sorted((row["run_id"], row["field"]) for row in rows) == [(1, email), (4, task), (6, task), (8, email)]
    assert await whole(lab)


async def test_who_was_ever_in_quarantine_is_no_newcomer_after_pruning_either(lab: Lab) -> None:
    for bad in ([BAD], [BAD], [BAD], [], [], [BAD], [], []):
        await later(lab, record("1"), *bad)
    await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY)
    await later(lab, record("1"), record("2"))
    kinds = await lab.rows("SELECT kind FROM cadence_sync.cadence_versions WHERE cadence_id = '2'")
    assert [row["kind"] for row in kinds] == ["baseline"]


async def test_what_is_held_may_still_be_approved(lab: Lab) -> None:
    await later(lab, *(record(str(n)) for n in range(6)))
    for _ in range(5):
        await later(lab, record("0"))
    await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY)
    assert await run_ids(lab) == [1, 2, 6]
    assert await review_deletions(lab.engine, 6, "rejected", Actor("somebody")) == ("default", 5)
    assert await review_deletions(lab.engine, 2, "approved", Actor("somebody")) == ("default", 5)
    for _ in range(4):
        await later(lab, record("0"))
    await prune(lab.engine, lab.clock.time + FORTNIGHT, DAY)
    assert await run_ids(lab) == [1, 2, 6, 7, 10]
    assert await whole(lab)


async def test_the_last_day_stays_whatever_is_asked_for(lab: Lab) -> None:
    for _ in range(10):
        await later(lab, record("1"), hours=2)
    assert await prune(lab.engine, lab.clock.time, timedelta(0)) == Pruned()


async def test_an_organization_that_is_being_written_is_left_for_the_next_time(lab: Lab) -> None:
    for org in (ORG, Org("other", "eu")):
        for _ in range(5):
            await later(lab, record("1"), org=org)
    now = lab.clock.time + FORTNIGHT
    async with lab.engine.begin() as writer:
        await writer.execute(LOCK_ORG, {"org_id": ORG.org_id})
        assert await asyncio.wait_for(prune(lab.engine, now, DAY), 5) == Pruned(runs=3, busy=1)
    assert await prune(lab.engine, now, DAY) == Pruned(runs=3)


async def test_several_prune_while_others_sync(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 7)
    await live(lab, seed=11, days=40)
    before = await lab.row("SELECT sum(runs) AS runs, sum(api_calls) AS calls FROM cadence_reporting.daily_runs")
    now = lab.clock.time
    assert (await prune(lab.engine, now, DAY, dry_run=True)).runs > 30
    outcomes = []

    async def sync_on() -> None:
        other = Lab(lab.engine)
        other.clock.time = now
        outcomes.extend([(await other.sync(record("1"), org=Org("new", "eu"))).outcome for _ in range(20)])

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(prune(lab.engine, now, DAY)) for _ in range(4)]
        group.create_task(sync_on())
    assert (await prune(lab.engine, now, DAY)).runs + sum(task.result().runs for task in tasks) > 30
    after = await lab.row(
        "SELECT sum(runs) AS runs, sum(api_calls) AS calls FROM cadence_reporting.daily_runs WHERE org_id <> 'new'"
    )
    assert after == before
    assert outcomes == ["succeeded"] * 20
    assert await whole(lab)


async def test_the_queue_forgets_as_well(lab: Lab) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    await lab.execute(
        f"INSERT INTO {LOG} (created, job_id, status, priority, entrypoint)"
        f" SELECT '{now}'::timestamptz - n * interval '1 hour', n, 'successful', 0, 'sync_eu'"
        " FROM generate_series(1, 480) AS n",
        f"INSERT INTO {STATISTICS} (created, count, priority, status, entrypoint)"
        f" SELECT '{now}'::timestamptz - n * interval '1 hour', 1, 0, 'successful', 'sync_eu'"
        " FROM generate_series(1, 480) AS n",
    )
    expected = Pruned(queue_log=144, queue_statistics=144)
    assert await prune(lab.engine, now, FORTNIGHT, dry_run=True) == expected
    assert await prune(lab.engine, now, FORTNIGHT) == expected
    assert await prune(lab.engine, now, FORTNIGHT) == Pruned()


async def test_a_day_that_has_runs_pruned_at_different_times_adds_up(lab: Lab) -> None:
    for _ in range(12):
        await later(lab, record("1"), hours=1.9)
    gone = [(await prune(lab.engine, START + timedelta(hours=hours), DAY)).runs for hours in (30, 33, 36, 80)]
    assert gone == [2, 1, 2, 5]
    row = await lab.row("SELECT * FROM cadence_sync.daily_runs WHERE day = '2026-01-05'")
    assert row == {
        "org_id": "default",
        "day": date(2026, 1, 5),
        "runs": 6,
        "failed": 0,
        "api_calls": 6,
        "first_good_at": START + timedelta(minutes=230),
        "last_good_at": START + timedelta(minutes=805),
    }
