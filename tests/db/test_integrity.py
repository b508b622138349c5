"""The examination finds nothing in what syncs wrote, and every kind of damage that is done by force."""

from collections.abc import Iterator

import pytest

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.db.integrity import INVARIANTS, REBUILDS, RECORDS, examine
from cadence_sync.sync import SyncOptions
from tests.support.databases import Databases
from tests.support.lab import Lab
from tests.support.records import record, without

RULES = [{"id": "1", "type": "end_date", "details": {"unenroll_date": "2026-11-30"}}]


async def live(lab: Lab) -> None:
    """Write every kind of version, labels, discovered fields, quarantine, a deleted cadence and held ones."""
    execution = {"unenroll_properties": RULES, "execute_every": {"period": "immediately"}}
    await lab.sync(record("1"), record("2"), record("3", execution_details=None), record("4"))
    await lab.sync(record("1", name="New"), record("2", description="Discovered"), record("3"), record("5"))
    await lab.sync(record("1", name="New", modified_by={"id": "7", "name": "Ana"}), record("2"), record("3"))
    await lab.sync(record("1", execution_details=execution), record("4", summary={"email_follow_up_count": "many"}))
    await lab.sync(*(record(str(n)) for n in range(1, 7)), without(record(), "id"))
    await lab.sync(*(record(str(n)) for n in (1, 2, 3, 4, 6)))
    await lab.sync(record("1", name="Last"), permits=SyncOptions(DeletionThreshold(1, 0)))


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    with databases.lived_in(live) as name:
        yield name


async def broken(lab: Lab) -> list[str]:
    return [finding.what for finding in await examine(lab.engine) if not finding.ok]


async def test_what_syncs_wrote_is_whole(lab: Lab) -> None:
    assert await lab.rows("SELECT cadence_id FROM cadence_sync.cadences WHERE deleted_at IS NOT NULL") != []
    assert await lab.rows("SELECT cadence_id FROM cadence_sync.held_deletions") != []
    kinds = await lab.rows("SELECT DISTINCT kind FROM cadence_sync.cadence_versions")
    assert len(kinds) == 5
    findings = await examine(lab.engine)
    assert [f.what for f in findings] == [*INVARIANTS, REBUILDS, RECORDS]
    assert await broken(lab) == []


CHAIN, OPEN, CURRENT, CHANGES, RUNS, DISCOVERED, COUNTERS = INVARIANTS
DAMAGE: list[tuple[str, str]] = [
    ("UPDATE cadence_versions SET valid_to = valid_to + interval '1 second' WHERE valid_to IS NOT NULL", CHAIN),
    ("UPDATE cadence_versions SET valid_to = now() WHERE cadence_id = '6'", CHAIN),
    ("DELETE FROM cadence_versions WHERE cadence_id = '1' AND version = 1", CHAIN),
    (
        (
            "ALTER TABLE cadence_versions DROP CONSTRAINT ck_cadence_versions_ends_after_it_starts;"
            "UPDATE cadence_versions SET valid_from = 'epoch'::timestamptz + ('epoch' - valid_from),"
            " valid_to = 'epoch'::timestamptz + ('epoch' - valid_to)"
        ),
        CHAIN,
    ),
    ("UPDATE cadences SET version = 1 WHERE cadence_id = '1'", OPEN),
    ("UPDATE cadences SET deleted_at = now() WHERE cadence_id = '1'", OPEN),
    ("UPDATE cadences SET deleted_at = NULL WHERE deleted_at IS NOT NULL", OPEN),
    ("UPDATE cadences SET deleted_at = deleted_at + interval '1 second' WHERE deleted_at IS NOT NULL", OPEN),
    ("UPDATE cadences SET last_changed_at = now() WHERE cadence_id = '1'", OPEN),
    ("DELETE FROM cadences WHERE cadence_id = '6'", OPEN),
    ("UPDATE cadences SET name = 'forged' WHERE cadence_id = '1'", CURRENT),
    ("UPDATE cadences SET description = NULL WHERE cadence_id = '2'", CURRENT),
    ("UPDATE cadences SET modified_time = now() WHERE cadence_id = '1'", CURRENT),
    ("UPDATE follow_up_summaries SET email_follow_up_count = 99 WHERE cadence_id = '1'", CURRENT),
    ("DELETE FROM follow_up_summaries WHERE cadence_id = '1'", CURRENT),
    ("UPDATE execution_details SET unenroll_type = 'forged' WHERE cadence_id = '2'", CURRENT),
    ("UPDATE execution_details SET execute_every_unit = 9 WHERE cadence_id = '2'", CURRENT),
    ("DELETE FROM cadence_changes WHERE field = '*'", CHANGES),
    ("UPDATE cadence_changes SET new_value = old_value", CHANGES),
    ("UPDATE cadence_changes SET changed_at = now()", CHANGES),
    ("UPDATE cadence_changes SET kind = 'restored' WHERE kind = 'updated'", CHANGES),
    ("UPDATE cadence_changes SET run_id = run_id + 1", CHANGES),
    (
        (
            "INSERT INTO cadence_changes (org_id, cadence_id, version, run_id, kind, field, changed_at, observed_at)"
            " SELECT org_id, cadence_id, version, run_id, kind, 'name', valid_from, observed_at"
            " FROM cadence_versions WHERE kind = 'baseline'"
        ),
        CHANGES,
    ),
    ("UPDATE sync_runs SET outcome = 'failed', error_code = 'X' WHERE run_id = 1", RUNS),
    ("DELETE FROM sync_runs WHERE run_id = 1", RUNS),
    ("UPDATE discovered_fields SET value = '\"forged\"'", REBUILDS),
    ("UPDATE discovered_fields SET version = version + 1", DISCOVERED),
    (
        (
            "INSERT INTO discovered_fields SELECT org_id, cadence_id, version, 'status', '\"x\"', observed_at, NULL"
            " FROM cadence_versions WHERE valid_to IS NULL AND kind <> 'deleted'"
        ),
        CURRENT,
    ),
    ("UPDATE discovered_fields SET run_id = 1", DISCOVERED),
    ("UPDATE discovered_fields SET run_id = 999", DISCOVERED),
    ("UPDATE sync_runs SET error_code = 'X', outcome = 'failed' WHERE run_id = 2", DISCOVERED),
    ("UPDATE sync_runs SET outcome = NULL, finished_at = NULL WHERE run_id = 2", DISCOVERED),
    (
        (
            "INSERT INTO discovered_fields SELECT org_id, cadence_id, version, 'name', '\"x\"', observed_at, NULL"
            " FROM cadence_versions WHERE kind = 'deleted'"
        ),
        DISCOVERED,
    ),
    (
        (
            "INSERT INTO discovered_fields SELECT org_id, cadence_id, version, 'description', '\"x\"', observed_at, "
            "NULL"
            " FROM cadence_versions WHERE kind = 'baseline' AND cadence_id = '1'"
        ),
        REBUILDS,
    ),
    ("UPDATE sync_runs SET updated = updated + 1, seen = seen + 1 WHERE run_id = 2", COUNTERS),
    ("DELETE FROM quarantined_records", COUNTERS),
    ("UPDATE cadence_versions SET document = jsonb_set(document, '{status}', '\"x\"') WHERE version = 2", REBUILDS),
    ("UPDATE cadence_changes SET new_value = '\"x\"' WHERE field = 'name'", REBUILDS),
    ("DELETE FROM cadence_changes WHERE field = 'name'", REBUILDS),
    ("UPDATE cadence_versions SET raw = replace(raw::text, '\"New\"', '\"Forged\"')::json", RECORDS),
    ("UPDATE cadence_versions SET raw = '{}' WHERE cadence_id = '1' AND version = 1", RECORDS),
    ("UPDATE cadence_versions SET raw = NULL WHERE cadence_id = '1' AND version = 1", RECORDS),
]


@pytest.mark.parametrize(("damage", "what"), DAMAGE, ids=[damage[:70] for damage, _ in DAMAGE])
async def test_damage_is_found(lab: Lab, damage: str, what: str) -> None:
    # As a superuser could: with triggers, foreign keys among them, switched off.
    await lab.execute(
        "SET LOCAL session_replication_role = replica", "SET LOCAL search_path = cadence_sync", *damage.split(";")
    )
    assert what in await broken(lab)
