"""The database refuses, by itself, everything that would make history untrue."""

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support.databases import Databases
from tests.support.lab import Lab
from tests.support.records import record

COLUMNS = "(org_id, cadence_id, version, kind, valid_from, valid_to, observed_at, document, run_id)"


def version(number: int, start: str, end: str | None, *, kind: str = "updated", cadence: str = "1") -> str:
    """Return an INSERT of one version; times are hours of one day."""
    until = "NULL" if end is None else f"'2026-02-01 {end}Z'"
    return (
        f"INSERT INTO cadence_sync.cadence_versions {COLUMNS} VALUES"
        f" ('default', '{cadence}', {number}, '{kind}', '2026-02-01 {start}Z', {until}, now(), '{{}}', 1)"
    )


def close(number: int, end: str, *, cadence: str = "2") -> str:
    return (
        f"UPDATE cadence_sync.cadence_versions SET valid_to = '2026-02-01 {end}Z'"
        f" WHERE cadence_id = '{cadence}' AND version = {number}"
    )


V1 = version(1, "01:00", "02:00", kind="created", cadence="2")
V2 = version(2, "02:00", None, cadence="2")


async def live(lab: Lab) -> None:
    """Write cadence 1 with three versions, of the last one a field discovered, and make up two of cadence 2."""
    await lab.sync(record("1"), record("3"))
    await lab.sync(record("1", name="Second"), record("3"))
    await lab.sync(record("1", name="Third"), record("3"))
    await lab.sync(record("1", name="Third", description="Text"), record("3"))
    await lab.execute(V1, V2)


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    with databases.lived_in(live) as name:
        yield name


async def test_an_unbroken_chain_is_accepted_and_goes_on(lab: Lab) -> None:
    await lab.execute(close(2, "03:00"), version(3, "03:00", None, cadence="2"))
    rows = await lab.rows("SELECT version FROM cadence_sync.cadence_versions WHERE cadence_id = '2' ORDER BY 1")
    assert [row["version"] for row in rows] == [1, 2, 3]


CHANGE = (
    "INSERT INTO cadence_sync.cadence_changes (org_id, cadence_id, version, run_id, kind, field, changed_at,"
    " observed_at) VALUES ('default', '1', 99, 1, 'updated', 'name', now(), now())"
)


def discovered(number: int) -> str:
    return (
        "INSERT INTO cadence_sync.discovered_fields (org_id, cadence_id, version, field, value, observed_at)"
        f" VALUES ('default', '1', {number}, 'description', 'null', now())"
    )


VIOLATIONS = {
    "two open versions": [version(3, "03:00", None, cadence="2")],
    "two first versions that are open": [
        version(1, "01:00", None, kind="created", cadence="9"),
        version(2, "02:00", None, cadence="9"),
    ],
    "an overlap": [close(2, "04:00"), version(3, "03:00", None, cadence="2")],
    "a gap in time": [close(2, "03:00"), version(3, "04:00", None, cadence="2")],
    "a gap in numbers": [close(2, "03:00"), version(4, "03:00", None, cadence="2")],
    "a fork": [
        close(2, "03:00"),
        version(3, "03:00", None, cadence="2"),
        version(3, "03:00", None, cadence="2"),
    ],
    "an end before the start": [version(1, "02:00", "01:00", kind="created", cadence="9")],
    "an end at the start": [
        version(1, "01:00", "01:00", kind="created", cadence="9"),
        version(2, "01:00", None, cadence="9"),
    ],
    "numbers that begin at 0": [version(0, "01:00", None, kind="created", cadence="9")],
    "numbers that begin at 2": [version(2, "01:00", None, cadence="9")],
    "a negative number": [version(-1, "01:00", None, cadence="9")],
    "no open version": [version(1, "01:00", "02:00", kind="created", cadence="9")],
    "closing without a successor": [close(2, "03:00")],
    "a first version that is an update": [version(1, "01:00", None, cadence="9")],
    "a later version that is a creation": [
        close(2, "03:00"),
        version(3, "03:00", None, kind="created", cadence="2"),
    ],
    "an unknown kind": [version(1, "01:00", None, kind="guessed", cadence="9")],
    "moving a closed version's end": [close(1, "02:30")],
    "opening a closed version again": [
        "UPDATE cadence_sync.cadence_versions SET valid_to = NULL WHERE cadence_id = '2' AND version = 1"
    ],
    "moving the start of a version": [
        "UPDATE cadence_sync.cadence_versions SET valid_from = valid_from - interval '1 hour' WHERE version = 1"
    ],
    "rewriting a document": ['UPDATE cadence_sync.cadence_versions SET document = \'{"name": "x"}\''],
    "rewriting a document while closing": [
        "UPDATE cadence_sync.cadence_versions SET document = '{}', valid_to = '2026-02-01 03:00Z' WHERE version = 2",
        version(3, "03:00", None, cadence="2"),
    ],
    "deleting a version": ["DELETE FROM cadence_sync.cadence_versions WHERE cadence_id = '2' AND version = 2"],
    "deleting a whole history": ["DELETE FROM cadence_sync.cadence_versions WHERE cadence_id = '2'"],
    "emptying the versions": ["TRUNCATE cadence_sync.cadence_versions CASCADE"],
    "rewriting a change": ["UPDATE cadence_sync.cadence_changes SET changed_by_name = 'somebody'"],
    "deleting a change": ["DELETE FROM cadence_sync.cadence_changes"],
    "emptying the changes": ["TRUNCATE cadence_sync.cadence_changes"],
    "a change without a version": [CHANGE],
    "a discovered field without a version": [discovered(99)],
    "a field that is discovered twice": [discovered(3)],
    "rewriting a discovered field": ["UPDATE cadence_sync.discovered_fields SET value = 'null'"],
    "deleting a discovered field": ["DELETE FROM cadence_sync.discovered_fields"],
    "emptying the discovered fields": ["TRUNCATE cadence_sync.discovered_fields"],
    "a current row without a version": ["UPDATE cadence_sync.cadences SET version = 99"],
    "deleting a current row": [
        "DELETE FROM cadence_sync.follow_up_summaries",
        "DELETE FROM cadence_sync.execution_details",
        "DELETE FROM cadence_sync.cadences",
    ],
    "emptying the current rows": ["TRUNCATE cadence_sync.cadences CASCADE"],
    "counters that do not add up": ["UPDATE cadence_sync.sync_runs SET seen = seen + 1"],
    "a run that failed without a code": ["UPDATE cadence_sync.sync_runs SET outcome = 'failed'"],
    "a run that ended without an outcome": ["UPDATE cadence_sync.sync_runs SET outcome = NULL"],
}


@pytest.mark.parametrize("statements", VIOLATIONS.values(), ids=VIOLATIONS.keys())
async def test_the_database_refuses(lab: Lab, statements: list[str]) -> None:
    before = await lab.contents()
    with pytest.raises(DBAPIError) as caught:
        await lab.execute(*statements)
    original = caught.value.orig
    assert getattr(original, "sqlstate", "")[:2] == "23", original
    assert await lab.contents() == before


CHECKS = {
    "cadence_versions_kind": [close(2, "03:00"), version(3, "03:00", None, kind="guessed", cadence="2")],
    "cadence_versions_numbered_from_1": [version(0, "01:00", None, cadence="9")],
    "cadence_versions_first_kind": [version(1, "01:00", None, cadence="9")],
    "cadence_versions_ends_after_it_starts": [version(1, "02:00", "01:00", kind="created", cadence="9")],
    "sync_runs_outcome": ["UPDATE cadence_sync.sync_runs SET outcome = 'well'"],
    "sync_runs_counters_add_up": ["UPDATE cadence_sync.sync_runs SET seen = seen + 1"],
    "sync_runs_failed_with_a_code": ["UPDATE cadence_sync.sync_runs SET outcome = 'failed'"],
    "sync_runs_finished_with_an_outcome": ["UPDATE cadence_sync.sync_runs SET outcome = NULL"],
    "held_deletions_decision": [
        (
            "INSERT INTO cadence_sync.held_deletions (org_id, cadence_id, hold_id, missing_since, decision)"
            " VALUES ('default', '1', 1, now(), 'perhaps')"
        )
    ],
}


@pytest.mark.parametrize(("name", "statements"), CHECKS.items(), ids=CHECKS.keys())
async def test_each_check_refuses_what_no_other_does(lab: Lab, name: str, statements: list[str]) -> None:
    with pytest.raises(DBAPIError) as caught:
        await lab.execute(*statements)
    assert caught.value.orig is not None
    assert getattr(caught.value.orig.__cause__, "constraint_name", None) == f"ck_{name}"


async def test_no_column_of_a_version_but_its_end_can_be_updated(lab: Lab) -> None:
    columns = await lab.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'cadence_sync'"
        " AND table_name = 'cadence_versions' AND is_generated = 'NEVER' AND column_name <> 'valid_to'"
    )
    assert len(columns) == 10
    for row in columns:
        name = row["column_name"]
        with pytest.raises(DBAPIError, match="append-only"):
            await lab.execute(f"UPDATE cadence_sync.cadence_versions SET {name} = {name}")
