"""When a version begins, and who is named for it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from cadence_sync.core.diff import Kind, Version
from tests.core.memory import HOUR, START, TICK, Memory
from tests.support.records import record, without

ANNA = {"id": "7", "name": "Anna"}
MINUTE = timedelta(minutes=1)
SECOND_LISTING = START + HOUR


def _edited(at: datetime | None, **changes: object) -> dict[str, Any]:
    return record(name="New", modified_time=at and at.isoformat(), modified_by=ANNA) | changes


def _updated(after: dict[str, Any], before: dict[str, Any] | None = None, at: datetime | None = None) -> Version:
    """Sync a record and then its successor, and return the version that this makes."""
    memory = Memory()
    memory.sync(before or record())
    version = memory.only_version(after, at=at)
    assert version.kind is Kind.UPDATED
    return version


@pytest.mark.parametrize(
    ("modified", "begins"),
    [
        (START + MINUTE, START + MINUTE),
        (START + TICK, START + TICK),
        (SECOND_LISTING, SECOND_LISTING),
        (SECOND_LISTING + TICK, SECOND_LISTING),  # Zoho's clock is ahead of ours
        (START, SECOND_LISTING),  # the last listing began then and did not see it
        (START - HOUR, SECOND_LISTING),
        (None, SECOND_LISTING),
    ],
)
def test_a_version_begins_at_zohos_time_where_it_lies_between_the_listings(
    modified: datetime | None, begins: datetime
) -> None:
    assert _updated(_edited(modified)).valid_from == begins


def test_a_change_that_did_not_move_zohos_time_begins_when_it_was_observed() -> None:
    memory = Memory()
    during_the_listing = (START + MINUTE).isoformat()
    memory.sync(record(modified_time=during_the_listing))
    version = memory.only_version(record(name="New", modified_time=during_the_listing))
    assert version.valid_from == SECOND_LISTING


def test_a_baseline_begins_when_it_was_observed_whatever_zoho_says() -> None:
    memory = Memory()
    assert memory.only_version(record(modified_time=(START - MINUTE).isoformat())).valid_from == START


def test_a_late_baseline_begins_when_it_was_observed() -> None:
    memory = Memory(last_listed_at=START, quarantined={"1"})
    version = memory.only_version(_edited(START + MINUTE))
    assert (version.kind, version.valid_from) == (Kind.BASELINE, SECOND_LISTING)


@pytest.mark.parametrize(
    ("modified", "begins"),
    [(START + MINUTE, START + MINUTE), (START, SECOND_LISTING), (None, SECOND_LISTING)],
)
def test_a_creation_begins_by_the_same_rule(modified: datetime | None, begins: datetime) -> None:
    version = Memory(last_listed_at=START).only_version(_edited(modified))
    assert (version.kind, version.valid_from) == (Kind.CREATED, begins)


def test_without_a_listing_to_compare_with_zohos_time_proves_nothing() -> None:
    memory = Memory()
    memory.sync(record())
    memory.last_listed_at = None
    version = memory.only_version(_edited(START + MINUTE), at=SECOND_LISTING)
    assert (version.kind, version.valid_from) == (Kind.UPDATED, SECOND_LISTING)


def test_a_deletion_begins_when_it_was_observed() -> None:
    memory = Memory()
    memory.sync(record())
    assert memory.only_version().valid_from == SECOND_LISTING


@pytest.mark.parametrize(("modified", "begins"), [(START + HOUR * 1.5,) * 2, (START + MINUTE, START + 2 * HOUR)])
def test_a_restoration_begins_by_the_same_rule(modified: datetime, begins: datetime) -> None:
    memory = Memory()
    memory.sync(record())
    memory.sync()
    version = memory.only_version(_edited(modified))
    assert (version.kind, version.valid_from) == (Kind.RESTORED, begins)


@pytest.mark.parametrize("after", [[_edited(START - MINUTE)], [record(name="New")], []])
def test_under_a_clock_that_jumped_back_a_version_begins_just_after_the_last(after: list[dict[str, Any]]) -> None:
    memory = Memory()
    memory.sync(record())
    assert memory.only_version(*after, at=START - HOUR).valid_from == START + TICK
    memory.sync(record(name="Back"), at=START - 2 * HOUR)
    assert memory.versions[-1].valid_from == START + 2 * TICK


def test_two_listings_of_one_instant_make_two_instants() -> None:
    assert _updated(record(name="New"), at=START).valid_from == START + TICK


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (record(), _edited(START + MINUTE), True),
        (record(), _edited(START - HOUR), True),  # forward all the same
        (record(modified_time=None), _edited(START + MINUTE), True),
        (record(), record(name="New", modified_by=ANNA), False),
        (record(), _edited(None), False),
        (record(), record(name="New", modified_time="2024-07-17T00:00:00Z", modified_by=ANNA), False),
        (without(record(), "modified_time"), _edited(START + MINUTE), False),
        (record(modified_by=ANNA), without(_edited(START + MINUTE), "modified_by"), False),
        (record(modified_by=ANNA), _edited(START + MINUTE) | {"modified_by": None}, False),
        (record(modified_by=ANNA), without(_edited(START), "modified_time"), False),
    ],
)
def test_somebody_is_named_only_where_zohos_time_moved_forward_and_zoho_names_him(
    before: dict[str, Any], after: dict[str, Any], named: bool
) -> None:
    version = _updated(after, before)
    assert (version.changed_by_id, version.changed_by_name) == (("7", "Anna") if named else (None, None))


@pytest.mark.parametrize(("modified", "named"), [(START + MINUTE, True), (None, False)])
def test_a_restoration_names_its_editor_by_the_same_rule(modified: datetime | None, named: bool) -> None:
    memory = Memory()
    memory.sync(record())
    memory.sync()
    version = memory.only_version(_edited(modified))
    assert version.changed_by_id == ("7" if named else None)


@pytest.mark.parametrize(
    ("created", "modified", "creator"),
    [
        (START + MINUTE, START + MINUTE, "8"),
        (START + MINUTE, START + 2 * MINUTE, "8"),
        (SECOND_LISTING, SECOND_LISTING, "8"),
        (START - MINUTE, START + MINUTE, None),  # was not there at the last listing: moved or made visible since
        (START + MINUTE, None, None),
        (START - MINUTE, START - MINUTE, None),
    ],
)
def test_a_creation_names_its_creator_where_both_times_lie_between_the_listings(
    created: datetime, modified: datetime | None, creator: str | None
) -> None:
    ben = {"id": "8", "name": "Ben"}
    new = _edited(modified, created_time=created.isoformat(), created_by=ben) | {"modified_by": ben}
    version = Memory(last_listed_at=START).only_version(new)
    assert (version.changed_by_id, version.changed_by_name) == (creator, creator and "Ben")


def test_a_creation_that_another_person_edited_since_names_nobody() -> None:
    """What is seen, and when it began, is the editor's; that it is there at all is the creator's."""
    new = _edited(START + MINUTE, created_time=START.isoformat(), created_by={"id": "8", "name": "Ben"})
    assert new["modified_by"]["id"] != "8"
    version = Memory(last_listed_at=START).only_version(new)
    assert (version.kind, version.changed_by_id, version.changed_by_name) == (Kind.CREATED, None, None)


HALF = timedelta(milliseconds=500)


@pytest.mark.parametrize(("modified", "named"), [(START, True), (START - timedelta(seconds=1), False)])
def test_the_fraction_of_a_second_that_zoho_cuts_off_hides_no_editor(modified: datetime, named: bool) -> None:
    """An edit half a second after a listing's start is dated before it, though that listing did not see it."""
    memory = Memory(last_listed_at=START + HALF - HOUR)
    memory.sync(record(modified_time=None))
    updated = memory.only_version(_edited(modified))
    assert updated.changed_by_id == ("7" if named else None)
    assert updated.valid_from == START + HALF + HOUR
    new = record("9", created_time=modified.isoformat(), modified_time=modified.isoformat())
    created = Memory(last_listed_at=START + HALF).only_version(new)
    assert (created.changed_by_id is not None) is named
    assert created.valid_from == START + HALF + HOUR
