"""Why a version exists, and what a run that makes none leaves alone."""

import json

import pytest

from cadence_sync.core.decode import decode_record
from cadence_sync.core.diff import Kind
from cadence_sync.core.records import FieldChange, QuarantinedRecord
from tests.core.memory import HOUR, START, Memory, decode_one
from tests.support.records import record, without

ARRIVAL = (FieldChange("*", None, None),)
HIDDEN = QuarantinedRecord(None, "no id", b"{}")


def _unreadable(cadence_id: str) -> QuarantinedRecord:
    found = decode_record(json.dumps(record(cadence_id, active="perhaps")).encode())
    assert isinstance(found, QuarantinedRecord)
    return found


@pytest.fixture
def memory() -> Memory:
    """An organization that was synced once, with two cadences."""
    memory = Memory()
    memory.sync(record("1"), record("2"))
    return memory


def test_what_the_first_listing_finds_is_a_baseline_without_changes() -> None:
    plan = Memory().sync(record("1"), record("2"))
    assert [(v.kind, v.number, v.row.cadence_id, v.changes) for v in plan.versions] == [
        (Kind.BASELINE, 1, "1", ()),
        (Kind.BASELINE, 1, "2", ()),
    ]
    assert {(v.changed_by_id, v.changed_by_name) for v in plan.versions} == {(None, None)}


def test_what_a_later_listing_finds_first_was_created(memory: Memory) -> None:
    version = memory.only_version(record("1"), record("2"), record("3"))
    assert (version.kind, version.number, version.changes) == (Kind.CREATED, 1, ARRIVAL)
    assert version.row.config == decode_one(record("3")).config
    assert version.raw == json.dumps(record("3")).encode()


def test_after_an_empty_first_listing_a_cadence_was_created() -> None:
    memory = Memory()
    memory.sync()
    assert memory.only_version(record()).kind is Kind.CREATED


def test_what_was_in_quarantine_until_now_is_a_baseline(memory: Memory) -> None:
    memory.sync(record("1"), record("2"), _unreadable("3"))
    version = memory.only_version(record("1"), record("2"), record("3"))
    assert (version.kind, version.number, version.changes) == (Kind.BASELINE, 1, ())


def test_only_the_id_that_was_in_quarantine_is_excused(memory: Memory) -> None:
    memory.sync(record("1"), record("2"), _unreadable("3"))
    plan = memory.sync(record("1"), record("2"), record("3"), record("4"))
    assert [(v.row.cadence_id, v.kind) for v in plan.versions] == [
        ("3", Kind.BASELINE),
        ("4", Kind.CREATED),
    ]


@pytest.mark.parametrize(
    ("created_time", "kind"),
    [
        ("2024-07-17T20:38:22-0700", Kind.BASELINE),
        (None, Kind.BASELINE),
        ((START + HOUR).isoformat(), Kind.BASELINE),
        ((START + HOUR * 1.5).isoformat(), Kind.CREATED),
    ],
)
def test_a_new_id_after_an_unreadable_one_was_created_only_if_zoho_says_so(
    memory: Memory, created_time: str | None, kind: Kind
) -> None:
    memory.sync(record("1"), record("2"), HIDDEN)
    new = record("3", created_time=created_time)
    assert memory.only_version(record("1"), record("2"), new).kind is kind


def test_the_excuse_of_an_unreadable_id_lasts_for_one_listing(memory: Memory) -> None:
    memory.sync(record("1"), record("2"), HIDDEN)
    memory.sync(record("1"), record("2"))
    assert memory.only_version(record("1"), record("2"), record("3")).kind is Kind.CREATED


def test_changed_configuration_is_an_update_with_all_that_is_known(memory: Memory) -> None:
    version = memory.only_version(record("1"), without(record("2", name="New"), "summary"))
    assert (version.kind, version.number) == (Kind.UPDATED, 2)
    assert version.row.config == decode_one(record("2", name="New")).config
    assert version.row.digest == decode_one(without(record("2", name="New"), "summary")).digest


def test_a_missing_cadence_was_deleted_and_keeps_its_last_state(memory: Memory) -> None:
    version = memory.only_version(record("1"))
    assert (version.kind, version.number, version.changes) == (Kind.DELETED, 2, ARRIVAL)
    assert version.row.config == decode_one(record("2")).config
    assert version.row.labels == decode_one(record("2")).labels
    assert (version.raw, version.row.digest) == (None, None)
    assert (version.changed_by_id, version.changed_by_name) == (None, None)


def test_a_deleted_cadence_is_deleted_once(memory: Memory) -> None:
    memory.sync(record("1"))
    assert memory.sync(record("1")).versions == []


def test_a_deleted_cadence_that_reappears_was_restored_even_if_nothing_else_changed(memory: Memory) -> None:
    memory.sync(record("1"))
    version = memory.only_version(record("1"), record("2"))
    assert (version.kind, version.number, version.changes) == (Kind.RESTORED, 3, ARRIVAL)


def test_a_restored_cadence_keeps_what_its_listing_does_not_send(memory: Memory) -> None:
    memory.sync(record("1"), record("2", description="Text"))
    memory.sync(record("1"))
    version = memory.only_version(record("1"), record("2", name="New"))
    assert version.row.config == decode_one(record("2", name="New", description="Text")).config


def test_a_cadence_in_quarantine_is_neither_missing_nor_changed(memory: Memory) -> None:
    plan = memory.sync(record("1"), _unreadable("2"))
    assert (plan.versions, plan.refreshes) == ([], [])
    assert memory.sync(record("1"), record("2")).versions == []


def test_nothing_is_missing_while_an_id_is_unreadable(memory: Memory) -> None:
    assert memory.sync(record("1"), HIDDEN).versions == []
    assert memory.only_version(record("1")).kind is Kind.DELETED


def test_all_are_missing_from_an_empty_listing(memory: Memory) -> None:
    plan = memory.sync()
    assert [(v.row.cadence_id, v.kind) for v in plan.versions] == [
        ("1", Kind.DELETED),
        ("2", Kind.DELETED),
    ]


def test_an_unchanged_listing_says_nothing(memory: Memory) -> None:
    plan = memory.sync(record("2"), record("1"))
    assert (plan.versions, plan.refreshes, plan.unchanged) == ([], [], 2)
