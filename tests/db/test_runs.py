"""Every run ends in exactly one outcome, and only one of two concurrent runs writes."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from cadence_sync.core.digest_index import DigestIndex
from cadence_sync.core.listing import Listing
from cadence_sync.core.report import ErrorInfo, Outcome
from cadence_sync.errors import AccessError, OrgBusyError, SettingsError, TransientError
from cadence_sync.ports import Org, PagingHint, ProgressCallback, Run
from tests.support.lab import ORG, Lab, WrittenSource
from tests.support.records import listing, record

RUNS = "SELECT * FROM cadence_sync.sync_runs ORDER BY run_id"


async def test_a_failed_run_leaves_its_reason_and_nothing_else(lab: Lab) -> None:
    await lab.sync(record("1"))
    before = await lab.contents()
    error = AccessError("No permission.", hint="Ask somebody.", code="NO_PERMISSION")
    report = await lab.syncing(WrittenSource(b"", lab.clock, error)).run("test")
    assert (report.outcome, report.exit_code, report.error) == (
        Outcome.FAILED,
        3,
        ErrorInfo("NO_PERMISSION", "No permission.", "Ask somebody.", 3),
    )
    run = (await lab.rows(RUNS))[1]
    assert (run["outcome"], run["error_code"], run["error_message"]) == (
        "failed",
        "NO_PERMISSION",
        "No permission.",
    )
    assert run["finished_at"] is not None
    assert await lab.contents() == before


async def test_of_two_runs_that_began_together_the_second_to_write_ends_as_busy(lab: Lab) -> None:
    await lab.sync(record("1"))
    old = await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.sync(record("1", name="Newer"))
    before = await lab.contents()
    source = WrittenSource(listing([record("1", name="Older")]), lab.clock)
    sync = lab.syncing(source)
    looked = await sync._fetch(old)
    with pytest.raises(OrgBusyError):
        await sync._apply(old, *looked)
    assert await lab.contents() == before


async def test_two_syncs_at_once_end_as_one_writer_and_one_busy(lab: Lab) -> None:
    sources = [WrittenSource(listing([record("1", name=name)]), lab.clock) for name in ("A", "B")]
    both = asyncio.Barrier(2)

    class Together(WrittenSource):
        async def fetch_listing(
            self, hint: PagingHint, index: DigestIndex, on_page: ProgressCallback | None = None
        ) -> Listing:
            await both.wait()
            return await super().fetch_listing(hint, index)

    syncs = [lab.syncing(Together(s.body, lab.clock)) for s in sources]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sync.run("test")) for sync in syncs]
    assert sorted(task.result().exit_code for task in tasks) == [0, 8]
    runs = await lab.rows(RUNS)
    assert sorted((r["outcome"], r["error_code"]) for r in runs) == [
        ("failed", "ORG_BUSY"),
        ("succeeded", None),
    ]
    assert len(await lab.rows("SELECT * FROM cadence_sync.cadence_versions")) == 1


async def test_a_run_whose_process_died_is_closed_as_abandoned_by_the_next(lab: Lab) -> None:
    await lab.store.begin(ORG, "test", lab.clock.now())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    await lab.execute(f"UPDATE cadence_sync.sync_runs SET pid = {ended.pid}, process_started = '1.00'")
    await lab.sync(record("1"))
    runs = await lab.rows(RUNS)
    assert [(r["outcome"], r["error_code"]) for r in runs] == [("failed", "ABANDONED"), ("succeeded", None)]


async def test_a_run_that_is_closed_after_a_clock_jumped_back_does_not_end_before_it_began(lab: Lab) -> None:
    began = await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.execute("UPDATE cadence_sync.sync_runs SET process_started = '1.00'")
    lab.clock.move(hours=-1)
    await lab.sync(record("1"))
    (dead, _) = await lab.rows(RUNS)
    assert (dead["error_code"], dead["finished_at"]) == ("ABANDONED", began.started_at)


async def test_a_process_number_that_was_used_again_is_not_taken_for_the_old_process(lab: Lab) -> None:
    await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.execute("UPDATE cadence_sync.sync_runs SET process_started = '1.00'")
    await lab.sync(record("1"))
    assert (await lab.rows(RUNS))[0]["error_code"] == "ABANDONED"


@pytest.mark.parametrize(("lease", "code"), [("1 hour", None), ("-1 second", "ABANDONED")])
async def test_a_run_of_a_living_process_stays_open_until_its_lease_ends(
    lab: Lab, lease: str, code: str | None
) -> None:
    await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.execute(f"UPDATE cadence_sync.sync_runs SET lease_until = now() + interval '{lease}'")
    await lab.sync(record("1"))
    assert (await lab.rows(RUNS))[0]["error_code"] == code


@pytest.mark.parametrize(("lease", "code"), [("1 hour", None), ("-1 second", "ABANDONED")])
async def test_of_another_machine_only_the_end_of_the_lease_is_proof(lab: Lab, lease: str, code: str | None) -> None:
    await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.execute(f"UPDATE cadence_sync.sync_runs SET host = 'elsewhere', lease_until = now() + interval '{lease}'")
    await lab.sync(record("1"))
    assert (await lab.rows(RUNS))[0]["error_code"] == code


async def test_a_run_that_was_taken_for_dead_cannot_write_when_it_wakes(lab: Lab) -> None:
    frozen = await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.execute(
        "UPDATE cadence_sync.sync_runs SET outcome = 'failed', error_code = 'ABANDONED', finished_at = now()"
    )
    source = WrittenSource(listing([record("1")]), lab.clock)
    sync = lab.syncing(source)
    looked = await sync._fetch(frozen)
    with pytest.raises(OrgBusyError):
        await sync._apply(frozen, *looked)
    assert await lab.rows("SELECT * FROM cadence_sync.cadence_versions") == []


async def test_a_run_that_is_canceled_is_closed_as_interrupted(lab: Lab) -> None:
    started = asyncio.Event()

    class Endless(WrittenSource):
        async def fetch_listing(
            self, hint: PagingHint, index: DigestIndex, on_page: ProgressCallback | None = None
        ) -> Listing:
            started.set()
            await asyncio.Event().wait()
            return await super().fetch_listing(hint, index)

    task = asyncio.create_task(lab.syncing(Endless(b"", lab.clock)).run("test"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (run,) = await lab.rows(RUNS)
    assert (run["outcome"], run["error_code"]) == ("failed", "INTERRUPTED")


async def test_a_dry_run_says_what_would_change_and_writes_nothing(lab: Lab) -> None:
    await lab.sync(record("1"))
    before, runs = await lab.contents(), await lab.rows(RUNS)
    source = WrittenSource(listing([record("1", name="New"), record("2")]), lab.clock)
    report = await lab.syncing(source).preview()
    found = report.to_json()
    assert (found["run_id"], found["updated"], found["created"]) == (None, 1, 1)
    assert await lab.contents() == before
    assert await lab.rows(RUNS) == runs


async def test_the_page_count_of_the_last_listing_is_the_next_run_s_hint(lab: Lab) -> None:
    assert (await begun(lab)).paging == PagingHint(1, None)
    await lab.sync(record("1"))
    await lab.execute("UPDATE cadence_sync.orgs SET last_page_count = 8, rejected_page_size = 200")
    assert (await begun(lab)).paging == PagingHint(8, 200)


async def test_a_listing_that_fails_is_no_complete_listing(lab: Lab) -> None:
    error = TransientError("Zoho answered 503.")
    await lab.syncing(WrittenSource(b"", lab.clock, error)).run("test")
    assert (await begun(lab)).last_listed_at is None
    await lab.sync(record("1"))
    assert (await begun(lab)).last_listed_at == lab.clock.now()


async def begun(lab: Lab) -> Run:
    return await lab.store.begin(ORG, "test", lab.clock.now())


async def test_the_ledger_follows_an_organization_to_another_data_center(lab: Lab) -> None:
    for data_center in ("us", "eu"):
        await lab.sync(record("1"), org=Org("acme", data_center))
        assert await lab.rows("SELECT data_center FROM cadence_sync.orgs") == [{"data_center": data_center}]


async def test_a_defect_closes_the_run_and_is_reported_with_its_number(lab: Lab) -> None:
    class Broken(WrittenSource):
        async def fetch_listing(
            self, hint: PagingHint, index: DigestIndex, on_page: ProgressCallback | None = None
        ) -> Listing:
            raise KeyError("a defect")

    report = await lab.syncing(Broken(b"", lab.clock)).run("test")
    assert (report.exit_code, report.run_id, report.error and report.error.code) == (1, 1, "UNEXPECTED")
    (run,) = await lab.rows(RUNS)
    assert (run["outcome"], run["error_code"]) == ("failed", "UNEXPECTED")


async def test_a_run_that_is_canceled_again_while_it_is_closed_is_closed_all_the_same(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, closing, may_close, closed = (asyncio.Event() for _ in range(4))
    close = lab.store.fail

    async def fail(*arguments: Any) -> None:
        closing.set()
        await may_close.wait()
        await close(*arguments)
        closed.set()

    class Endless(WrittenSource):
        async def fetch_listing(
            self, hint: PagingHint, index: DigestIndex, on_page: ProgressCallback | None = None
        ) -> Listing:
            started.set()
            await asyncio.Event().wait()
            return await super().fetch_listing(hint, index)

    monkeypatch.setattr(lab.store, "fail", fail)
    task = asyncio.create_task(lab.syncing(Endless(b"", lab.clock)).run("test"))
    for reached in (started, closing):
        await reached.wait()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_close.set()
    async with asyncio.timeout(10):
        await closed.wait()
    (run,) = await lab.rows(RUNS)
    assert (run["outcome"], run["error_code"]) == ("failed", "INTERRUPTED")


async def test_one_that_was_removed_is_not_brought_back_but_by_the_settings(lab: Lab) -> None:
    stored = Org("stored", "us", stored=True)
    with pytest.raises(SettingsError, match="was removed"):
        await lab.store.begin(stored, "test", lab.clock.now())
    assert await lab.rows("SELECT * FROM cadence_sync.orgs") == []
    await lab.sync(record("1"), org=Org("stored", "us"))
    await lab.store.begin(Org("stored", "eu", stored=True), "test", lab.clock.now())
    await lab.execute("UPDATE cadence_sync.orgs SET removed_at = now()")
    with pytest.raises(SettingsError, match="was removed"):
        await lab.store.begin(stored, "test", lab.clock.now())
    await lab.store.begin(Org("stored", "us"), "test", lab.clock.now())
    (row,) = await lab.rows("SELECT removed_at, data_center FROM cadence_sync.orgs")
    assert (row["removed_at"], row["data_center"]) == (None, "us")


async def test_a_run_that_ended_its_process_counts_as_a_failure(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.store.begin(ORG, "test", lab.clock.now())
    await lab.execute("UPDATE cadence_sync.sync_runs SET lease_until = now(), host = 'elsewhere' WHERE outcome IS NULL")
    await lab.store.begin(ORG, "test", lab.clock.now())
    assert (await lab.row("SELECT consecutive_failures FROM cadence_sync.orgs"))["consecutive_failures"] == 1
