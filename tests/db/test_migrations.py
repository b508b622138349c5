import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import opened
from cadence_sync.db.migrate import HEAD, migrate
from cadence_sync.db.store import PostgresStore
from cadence_sync.db.tables import metadata
from cadence_sync.errors import DatabaseError
from tests.support.lab import ORG, START, Lab
from tests.support.records import record

MIGRATIONS = Path(__file__).parents[2] / "migrations"
SCHEMA = """
    SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression
    FROM information_schema.columns WHERE table_schema = 'cadence_sync' AND table_name <> 'alembic_version'
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
    FROM pg_constraint WHERE connamespace = 'cadence_sync'::regnamespace AND conname NOT LIKE 'alembic%'
    UNION ALL
    SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), '', '', ''
    FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY 1, 2
"""


async def schema(engine: AsyncEngine) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(SCHEMA))]


async def test_every_revision_goes_down_and_up_again_to_the_same_schema(empty_database_url: str) -> None:
    async with opened(empty_database_url) as engine:
        revisions = [r.revision for r in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
        assert await migrate(engine) == HEAD
        before = await schema(engine)
        for revision in [*revisions[1:], "base"]:
            await migrate(engine, revision)
        assert await schema(engine) == []
        for revision in reversed(revisions):
            assert await migrate(engine, revision) == revision
        assert await schema(engine) == before


async def test_the_tables_in_code_are_those_of_the_migrations(engine: AsyncEngine) -> None:
    def check(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.check(config)

    async with engine.begin() as connection:
        await connection.run_sync(check)


def test_the_code_names_the_newest_revision() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_no_revision_imports_the_package() -> None:
    revisions = sorted((MIGRATIONS / "versions").glob("*.py"))
    assert revisions
    for revision in revisions:
        assert not re.search(r"^\s*(from|import) cadence_sync", revision.read_text(), re.MULTILINE), revision


async def test_migrating_twice_changes_nothing(engine: AsyncEngine) -> None:
    before = await schema(engine)
    assert await migrate(engine) == HEAD
    assert await schema(engine) == before


async def test_a_database_that_is_newer_than_the_code_is_refused_by_sync_and_migrate(lab: Lab) -> None:
    await lab.execute("UPDATE cadence_sync.alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer") as caught:
        await migrate(lab.engine)
    assert caught.value.code == "DATABASE_TOO_NEW"
    with pytest.raises(DatabaseError, match="newer"):
        await PostgresStore(lab.engine, 60).begin(ORG, "test", START)


async def test_a_database_without_tables_is_refused_with_the_command_that_helps(
    empty_database_url: str,
) -> None:
    async with opened(empty_database_url) as engine:
        with pytest.raises(DatabaseError) as caught:
            await PostgresStore(engine, 60).begin(ORG, "test", START)
    assert caught.value.code == "NOT_MIGRATED"
    assert "cadence-sync migrate" in caught.value.hint


async def test_a_migration_waits_only_seconds_for_a_lock_that_others_hold(engine: AsyncEngine) -> None:
    async with engine.begin() as other:
        await other.execute(text("LOCK TABLE cadence_sync.cadences IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseError) as caught:
            await migrate(engine, "base")
    assert caught.value.code == "LOCKED"
    assert len(await schema(engine)) > 0


async def test_every_key_and_index_leads_with_the_organisation(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'cadence_sync' AND tablename <> 'alembic_version'")
        )
        definitions = list(rows.scalars())
    assert len(definitions) >= len(metadata.tables)
    assert [d for d in definitions if "(org_id" not in d] == []


async def test_going_down_to_the_tables_alone_and_up_again_keeps_all_data(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", name="New"), record("2"))
    tables = ("orgs", "cadences", "cadence_versions", "cadence_changes", "sync_runs")

    async def rows() -> list[list[dict[str, object]]]:
        return [await lab.rows(f"SELECT * FROM cadence_sync.{table} ORDER BY 1, 2") for table in tables]

    before = await rows()
    await migrate(lab.engine, "0003")
    await migrate(lab.engine)
    assert await rows() == before
    assert len(await lab.rows("SELECT * FROM cadence_reporting.cadence_history")) == 3


async def test_going_down_keeps_what_became_known_and_going_up_finds_it(lab: Lab) -> None:
    learnt = "SELECT * FROM cadence_sync.learnt_fields ORDER BY cadence_id, version"
    await lab.sync(record("1"), record("2"))
    await lab.sync(record("1", description="Told"), record("2", description=""))
    await lab.sync(record("1", description="Told", name="New"), record("2", description=""))
    before = await lab.rows(learnt)
    assert [(row["cadence_id"], row["version"], row["value"]) for row in before] == [("1", 1, "Told"), ("2", 1, None)]
    await migrate(lab.engine, "0005")
    current = await lab.rows("SELECT cadence_id, learnt FROM cadence_sync.cadences ORDER BY 1")
    assert current == [{"cadence_id": "1", "learnt": {}}, {"cadence_id": "2", "learnt": {"description": None}}]
    await migrate(lab.engine)
    assert await lab.rows(learnt) == before
    await lab.sync(record("1", description="Told", name="New"), record("2", description="Told"))
    assert await lab.rows(learnt) == before


async def test_what_an_older_release_learnt_is_kept_though_its_run_is_not_known(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"), record("3", execution_details=None))
    looked = lab.clock.time
    await migrate(lab.engine, "0005")
    await lab.execute(
        """UPDATE cadence_sync.cadences SET learnt = '{"description": "Told"}', description = 'Told'
           WHERE cadence_id = '1'""",
        # Learnt and then changed: what it was before is in the change alone.
        "UPDATE cadence_sync.cadence_versions SET valid_to = '2026-02-01' WHERE cadence_id <> '1'",
        """INSERT INTO cadence_sync.cadence_versions
               (org_id, cadence_id, version, kind, valid_from, observed_at, document, run_id)
           SELECT org_id, cadence_id, 2, 'updated', '2026-02-01', '2026-02-02', document, 1
           FROM cadence_sync.cadence_versions WHERE cadence_id <> '1'""",
        """INSERT INTO cadence_sync.cadence_changes
               (org_id, cadence_id, version, run_id, kind, field, old_value, new_value, changed_at, observed_at)
           VALUES ('default', '2', 2, 1, 'updated', 'description', NULL, '"New"', '2026-02-01', '2026-02-02'),
                  ('default', '2', 2, 1, 'updated', 'name', '"Welcome"', '"New"', '2026-02-01', '2026-02-02'),
                  ('default', '3', 2, 1, 'updated', 'execution_details.type', NULL, '"x"', '2026-02-01', '2026-02-02')
        """,
        "UPDATE cadence_sync.cadences SET version = 2, last_changed_at = '2026-02-01' WHERE cadence_id <> '1'",
    )
    await migrate(lab.engine)
    end = datetime(2026, 2, 1, tzinfo=UTC) - timedelta(microseconds=1)
    rows = await lab.rows("SELECT * FROM cadence_sync.learnt_fields ORDER BY cadence_id")
    assert [tuple(row.values())[1:] for row in rows] == [
        ("1", 1, "description", "Told", looked, None),
        ("2", 1, "description", None, end, None),
    ]


async def test_a_downgrade_to_nothing_does_not_drop_what_no_older_schema_holds(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", description="Told"))
    with pytest.raises(DatabaseError, match="learnt_fields holds what no older schema can") as caught:
        await migrate(lab.engine, "base")
    assert caught.value.code == "NOT_EMPTY"
    assert len(await lab.rows("SELECT * FROM cadence_sync.learnt_fields")) == 1


async def test_what_was_learnt_of_a_cadence_that_was_deleted_is_found_again(lab: Lab) -> None:
    learnt = "SELECT cadence_id, version, field, value FROM cadence_sync.learnt_fields ORDER BY cadence_id, field"
    await lab.sync(record("1"), record("2"))
    await lab.sync(record("1", description="Told"), record("2"))
    await lab.sync(record("2"))
    before = await lab.rows(learnt)
    assert len(before) == 1
    await migrate(lab.engine, "0005")
    await lab.execute("DROP TABLE cadence_sync.learnt_fields")  # as an older release would have left it
    await migrate(lab.engine)
    assert await lab.rows(learnt) == before
