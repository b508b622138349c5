"""The command `migrate`: several at once, past a pooler, and what it says of rights that are missing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from cadence_sync.db.revision import HEAD
from tests.support import cli
from tests.support.invariants import rows

GONE = "postgresql://someone@127.0.0.1:9/pooler"


@pytest.fixture
async def stranger_url(empty_database_url: str) -> AsyncIterator[str]:
    """The address of an empty database for a role that may do nothing in it."""
    parts = urlsplit(empty_database_url)
    role = f"stranger_{parts.path.removeprefix('/')}"
    admin = await asyncpg.connect(empty_database_url)
    try:
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        yield parts._replace(netloc=f"{role}:secret@{parts.netloc.rpartition('@')[2]}").geturl()
        await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    finally:
        await admin.close()


async def test_three_first_migrations_at_once(empty_database_url: str, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(cli.run("migrate", cwd=tmp_path, DATABASE_URL=empty_database_url)) for _ in range(3)]
    results = [task.result() for task in tasks]
    assert [result.code for result in results] == [0, 0, 0], [result.err for result in results]
    assert {result.out for result in results} == {f"The database is at revision {HEAD}.\n"}


async def test_the_direct_address_is_used_where_there_is_one(empty_database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": GONE, "DATABASE_DIRECT_URL": empty_database_url}
    assert (await cli.run("migrate", cwd=tmp_path, **settings)).code == 0
    assert await rows(empty_database_url, "SELECT * FROM cadence_reporting.sync_freshness") == []


async def test_doctor_says_beforehand_which_right_migrate_lacks(stranger_url: str, tmp_path: Path) -> None:
    database = urlsplit(stranger_url).path.removeprefix("/")
    grant = f"GRANT CREATE ON DATABASE {database} TO stranger_{database};"
    examined = await cli.run("doctor", "--offline", "--json", cwd=tmp_path, DATABASE_URL=stranger_url)
    (migrations,) = [check for check in examined.json if check["name"] == "migrations"]
    assert (migrations["state"], migrations["code"], grant in migrations["hint"]) == (
        "failed",
        "DATABASE_PERMISSION",
        True,
    )
    migrated = await cli.run("migrate", cwd=tmp_path, DATABASE_URL=stranger_url)
    assert (migrated.code, migrated.out, grant in migrated.err) == (5, "", True)
    assert await rows(stranger_url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cadence%'") == []
