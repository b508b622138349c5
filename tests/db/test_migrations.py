import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db.engine import open_engine
from cadence_sync.db.migrate import migrate
from cadence_sync.db.revision import HEAD
from cadence_sync.db.store import PostgresStore
from cadence_sync.db.tables import metadata
from cadence_sync.errors import DatabaseError
from tests.support.lab import ORG, START, Lab

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
    ORDER BY 1, 2, 3
"""


async def schema(engine: AsyncEngine) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(SCHEMA))]


async def alembic(engine: AsyncEngine, run: Callable[[Config], None]) -> None:
    """Run a command of Alembic in one transaction."""

    def on(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        run(config)

    async with engine.begin() as connection:
        await connection.run_sync(on)


async def test_every_later_revision_goes_down_and_up_again_to_the_same_schema(engine: AsyncEngine) -> None:
    revisions = [r.revision for r in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    before = await schema(engine)
    assert before
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA cadence_reporting CASCADE"))  # its views stand in the way
    for revision in revisions[1:]:
        await alembic(engine, lambda config, to=revision: command.downgrade(config, to))  # type: ignore[misc]
    for revision in reversed(revisions[:-1]):
        await alembic(engine, lambda config, to=revision: command.upgrade(config, to))  # type: ignore[misc]
    assert await migrate(engine) == HEAD
    assert await schema(engine) == before


async def test_the_tables_in_code_are_those_of_the_migrations(engine: AsyncEngine) -> None:
    await alembic(engine, command.check)


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
    async with open_engine(empty_database_url) as engine:
        with pytest.raises(DatabaseError) as caught:
            await PostgresStore(engine, 60).begin(ORG, "test", START)
    assert caught.value.code == "NOT_MIGRATED"
    assert "cadence-sync migrate" in caught.value.hint


async def test_a_migration_waits_only_seconds_for_a_lock_that_others_hold(lab: Lab) -> None:
    await lab.execute("UPDATE cadence_sync.reporting_layer SET checksum = 'another'")
    async with lab.engine.begin() as other:
        await other.execute(text("SELECT * FROM cadence_reporting.sync_freshness"))
        with pytest.raises(DatabaseError) as caught:
            await migrate(lab.engine)
    assert caught.value.code == "LOCKED"
    assert (await lab.row("SELECT checksum FROM cadence_sync.reporting_layer"))["checksum"] == "another"
    await migrate(lab.engine)


async def test_every_key_and_index_leads_with_the_organization(engine: AsyncEngine) -> None:
    """But for the keys of what is not always about one."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'cadence_sync' AND tablename <> ALL(:shared)"),
            # Of no single organization.
            {"shared": ["alembic_version", "access_tokens", "web_sessions", "reader_limits"]},
        )
        definitions = list(rows.scalars())
    assert len(definitions) >= len(metadata.tables) - 2
    others = [d.split()[3] for d in definitions if "(org_id" not in d]
    assert sorted(others) == ["pk_audit_log", "pk_redactions"]
