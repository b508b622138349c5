"""Deleting cadences: confirmed by a second look, held where they are many, decided by a person."""

from typing import Any, Literal

import pytest

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.core.report import Report
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.errors import NotFoundError
from cadence_sync.ports import Actor, Org
from cadence_sync.sync import SyncOptions
from tests.support.lab import ORG, Lab
from tests.support.records import listing, record

ALL = [record(str(number)) for number in range(10)]
HELD = "SELECT cadence_id, hold_id, decision FROM cadence_sync.held_deletions ORDER BY cadence_id"
LIVE = "SELECT cadence_id FROM cadence_sync.cadences WHERE deleted_at IS NULL ORDER BY cadence_id"


def summary(report: Report) -> tuple[Any, ...]:
    counters = report.counters
    assert counters is not None
    return str(report.outcome), report.exit_code, counters.deleted, counters.held


async def live(lab: Lab) -> list[str]:
    return [row["cadence_id"] for row in await lab.rows(LIVE)]


async def test_nothing_missing_costs_no_second_look(lab: Lab) -> None:
    for _ in range(2):
        await lab.sync(*ALL)
        assert lab.source.confirmed == []


async def test_one_that_shows_up_at_the_second_look_is_not_deleted(lab: Lab) -> None:
    await lab.sync(*ALL)
    report = await lab.sync(*ALL[1:], second=listing(ALL))
    assert summary(report) == ("succeeded", 0, 0, 0)
    assert lab.source.confirmed == [["0"]]
    assert report.counters is not None
    assert report.counters.unchanged == 10


async def test_one_that_only_the_second_look_lacks_is_left_alone(lab: Lab) -> None:
    await lab.sync(*ALL)
    report = await lab.sync(*ALL[1:], second=listing(ALL[:-1]))
    assert summary(report) == ("succeeded", 0, 0, 0)
    assert len(await live(lab)) == 10


async def test_up_to_five_are_deleted_at_once_and_six_are_held_while_the_rest_is_applied(lab: Lab) -> None:
    await lab.sync(*ALL)
    report = await lab.sync(record("6", name="New"), *ALL[7:])
    assert summary(report) == ("held", 6, 0, 6)
    assert report.counters is not None
    assert report.counters.updated == 1
    assert len(await live(lab)) == 10
    assert summary(await lab.sync(ALL[5], record("6", name="New"), *ALL[7:])) == ("held", 6, 0, 5)
    assert summary(await lab.sync(*ALL)) == ("succeeded", 0, 0, 0)
    assert await lab.rows(HELD) == []
    assert summary(await lab.sync(*ALL[5:])) == ("succeeded", 0, 5, 0)


async def test_small_losses_add_up_within_a_day_and_not_beyond(lab: Lab) -> None:
    await lab.sync(*ALL)
    assert summary(await lab.sync(*ALL[3:])) == ("succeeded", 0, 3, 0)
    assert summary(await lab.sync(*ALL[6:])) == ("held", 6, 0, 3)
    await lab.sync(*ALL[3:])
    lab.clock.move(hours=25)
    assert summary(await lab.sync(*ALL[6:])) == ("succeeded", 0, 3, 0)


async def test_what_another_organization_lost_does_not_add_up(lab: Lab) -> None:
    sandbox = Org("sandbox", "us")
    for org in (sandbox, ORG):
        await lab.sync(*ALL, org=org)
        assert summary(await lab.sync(*ALL[5:], org=org)) == ("succeeded", 0, 5, 0)


async def test_approved_ones_are_deleted_by_the_next_listing_if_they_are_still_missing(lab: Lab) -> None:
    await lab.sync(*ALL)
    held = await lab.sync(*ALL[8:])
    assert held.run_id is not None
    assert await review_deletions(lab.engine, held.run_id, "approved", Actor("ana")) == ("default", 8)
    assert len(await live(lab)) == 10
    assert summary(await lab.sync(ALL[0], *ALL[8:])) == ("succeeded", 0, 7, 0)
    assert await live(lab) == ["0", "8", "9"]
    assert await lab.rows(HELD) == []
    decision = await lab.row("SELECT decision, decided_by, cadences FROM cadence_sync.deletion_decisions")
    assert decision == {"decision": "approved", "decided_by": "ana", "cadences": 8}
    # What a person approved does not use up the day's allowance.
    assert summary(await lab.sync(*ALL[8:])) == ("succeeded", 0, 1, 0)


async def test_a_really_emptied_organization_can_be_deleted_by_approval(lab: Lab) -> None:
    await lab.sync(*ALL)
    held = await lab.sync()
    assert summary(held) == ("held", 6, 0, 10)
    assert held.run_id is not None
    await review_deletions(lab.engine, held.run_id, "approved", Actor("ana"))
    assert summary(await lab.sync()) == ("succeeded", 0, 10, 0)


async def test_rejected_ones_stay_live_without_alarm_and_a_new_loss_is_a_new_case(lab: Lab) -> None:
    await lab.sync(*ALL)
    held = await lab.sync(*ALL[6:])
    assert held.run_id is not None
    await review_deletions(lab.engine, held.run_id, "rejected", Actor("ana"))
    assert summary(await lab.sync(*ALL[6:])) == ("succeeded", 0, 0, 0)
    assert lab.source.confirmed == []
    assert [row["decision"] for row in await lab.rows(HELD)] == ["rejected"] * 6
    assert summary(await lab.sync(*ALL[7:])) == ("succeeded", 0, 1, 0)
    assert summary(await lab.sync(*ALL[1:7], *ALL[7:])) == ("succeeded", 0, 0, 0)
    assert [row["cadence_id"] for row in await lab.rows(HELD)] == ["0"]


@pytest.mark.parametrize("decision", [None, "rejected"])
async def test_one_that_only_the_second_look_shows_again_leaves_the_pending(
    lab: Lab, decision: Literal["rejected"] | None
) -> None:
    await lab.sync(*ALL)
    held = await lab.sync(*ALL[6:])
    assert held.run_id is not None
    if decision is not None:
        await review_deletions(lab.engine, held.run_id, decision, Actor("ana"))
    await lab.sync(*ALL[7:], second=listing([ALL[0], *ALL[7:]]))
    assert lab.source.confirmed == [["6"]]
    listed = [row["cadence_id"] for row in await lab.rows(HELD)]
    assert listed == ["1", "2", "3", "4", "5", *(["6"] if decision is None else [])]


async def test_a_newer_case_replaces_an_older_and_the_same_case_goes_by_every_run_that_held_it(lab: Lab) -> None:
    await lab.sync(*ALL)
    first = await lab.sync(*ALL[6:])
    same = await lab.sync(*ALL[6:])
    assert (first.run_id, same.run_id) == (2, 3)
    assert {row["hold_id"] for row in await lab.rows(HELD)} == {2}
    newer = await lab.sync(*ALL[7:])
    assert {row["hold_id"] for row in await lab.rows(HELD)} == {newer.run_id}
    for run_id in (2, 3):
        with pytest.raises(NotFoundError, match="newer run"):
            await review_deletions(lab.engine, run_id, "approved", Actor("ana"))
    again = await lab.sync(*ALL[7:])
    assert again.run_id is not None
    assert await review_deletions(lab.engine, again.run_id, "approved", Actor("ana")) == ("default", 7)


@pytest.mark.parametrize("run_id", [1, 99])
async def test_a_run_that_held_nothing_cannot_be_decided_about(lab: Lab, run_id: int) -> None:
    await lab.sync(*ALL)
    with pytest.raises(NotFoundError, match="holds no deletions"):
        await review_deletions(lab.engine, run_id, "approved", Actor("ana"))


async def test_the_permit_for_one_run_deletes_all_that_is_missing(lab: Lab) -> None:
    await lab.sync(*ALL)
    assert summary(await lab.sync(permits=SyncOptions(allow_mass_delete=True))) == ("succeeded", 0, 10, 0)


async def test_the_threshold_can_be_set(lab: Lab) -> None:
    await lab.sync(*ALL)
    assert summary(await lab.sync(*ALL[1:], permits=SyncOptions(DeletionThreshold(0, 0)))) == ("held", 6, 0, 1)


async def test_another_organization_s_listing_writes_nothing_unless_somebody_means_it(lab: Lab) -> None:
    await lab.sync(*ALL)
    before = await lab.contents()
    others = [record(f"9{number}") for number in range(3)]
    report = await lab.sync(*others)
    assert (report.exit_code, report.error and report.error.code) == (3, "WRONG_ORG")
    assert await lab.contents() == before
    assert summary(await lab.sync(*others, permits=SyncOptions(allow_other_org=True))) == ("held", 6, 0, 10)


@pytest.mark.parametrize("kept", ["deleted", "unreadable"])
async def test_one_known_cadence_is_enough_to_be_the_same_organization(lab: Lab, kept: str) -> None:
    await lab.sync(record("1"), record("2"))
    await lab.sync(record("2"))
    shared = record("1", name="Back") if kept == "deleted" else record("2", active="perhaps")
    assert (await lab.sync(shared, record("9"))).outcome != "failed"


async def test_a_decision_ends_a_run_that_read_the_pending_before_it(lab: Lab) -> None:
    await lab.sync(*ALL)
    held = await lab.sync(*ALL[6:])
    assert held.run_id is not None
    sync = lab.syncing(lab.source)
    run = await lab.store.begin(sync.org, "test", lab.clock.now())
    looked = await sync._fetch(run)
    await review_deletions(lab.engine, held.run_id, "approved", Actor("ana"))
    with pytest.raises(Exception, match="Another run wrote"):
        await sync._apply(run, *looked)
    assert summary(await lab.sync(*ALL[6:])) == ("succeeded", 0, 6, 0)
