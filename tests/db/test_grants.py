"""A reader sees the reporting layer and is refused everywhere else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from cadence_sync.db.grants import grant_reader, load_readers
from cadence_sync.db.migrate import migrate
from cadence_sync.errors import NotFoundError, SettingsError
from cadence_sync.ports import Actor
from tests.support import cli
from tests.support.lab import Lab
from tests.support.records import record

_NUMBERS = count(1)
EVERYTHING = """
    SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('cadence_sync', 'cadence_reporting') AND c.relkind IN ('r', 'v') ORDER BY 1, 2
"""
CALLS = [
    "SELECT * FROM cadence_reporting.cadences_as_of(now())",
    "SELECT * FROM cadence_reporting.cadences_as_of(now(), 'default', 'observed')",
    "SELECT * FROM cadence_reporting.cadence_diff('2026-01-05 09:01:00Z', now(), 'default')",
    "SELECT * FROM cadence_reporting.compare_orgs('default', 'default')",
]


@pytest.fixture
async def role(lab: Lab) -> AsyncIterator[str]:
    """A role with a name that needs quotes; roles belong to the whole server."""
    name = f'the "reader" {next(_NUMBERS)}'
    quoted = name.replace('"', '""')
    await lab.sync(record("1"))
    await lab.sync(record("1", name="New"))
    await lab.execute(f"CREATE ROLE \"{quoted}\" LOGIN PASSWORD 'secret'")
    yield name
    await lab.execute(f'DROP OWNED BY "{quoted}"', f'DROP ROLE "{quoted}"')


@asynccontextmanager
async def connected(database_url: str, role: str) -> AsyncIterator[asyncpg.Connection]:
    address = urlsplit(database_url)
    host = address.netloc.rpartition("@")[2]
    connection = await asyncpg.connect(urlunsplit(address._replace(netloc=host)), user=role, password="secret")
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_reader_reads_every_view_and_function_and_no_table(lab: Lab, role: str, database_url: str) -> None:
    for _ in range(2):
        await grant_reader(lab.engine, role, Actor("ana"))
    objects = await lab.rows(EVERYTHING)
    assert {each["nspname"] for each in objects} == {"cadence_reporting", "cadence_sync"}
    async with connected(database_url, role) as connection:
        assert await connection.fetchval("SELECT current_user") == role
        for each in objects:
            read = connection.fetch(f"SELECT * FROM {each['nspname']}.{each['relname']} LIMIT 1")
            if each["nspname"] == "cadence_reporting":
                await read
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await read
        for call in CALLS:
            await connection.fetch(call)
        for statement in (
            "UPDATE cadence_reporting.sync_runs SET outcome = 'failed'",
            "DELETE FROM cadence_reporting.sync_runs",
            "CREATE VIEW cadence_reporting.mine AS SELECT 1",
            "CREATE TABLE cadence_sync.mine (x int)",
            "SELECT nextval('cadence_sync.sync_runs_run_id_seq')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_no_view_shows_what_was_received_or_a_token(lab: Lab) -> None:
    columns = await lab.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'cadence_reporting'"
    )
    assert columns
    assert not {c["column_name"] for c in columns} & {"raw", "digest", "encrypted_token", "extra"}


async def test_what_a_reader_was_given_of_the_tables_is_taken_away(lab: Lab, role: str, database_url: str) -> None:
    quoted = role.replace('"', '""')
    await lab.execute(
        f'GRANT USAGE ON SCHEMA cadence_sync TO "{quoted}"', f'GRANT SELECT ON cadence_sync.oauth_tokens TO "{quoted}"'
    )
    await grant_reader(lab.engine, role, Actor("ana"))
    async with connected(database_url, role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM cadence_sync.oauth_tokens")


async def test_what_a_migration_adds_is_readable_too(lab: Lab, role: str, database_url: str) -> None:
    """Also where functions are for nobody unless they are granted."""
    await lab.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    await grant_reader(lab.engine, role, Actor("ana"))
    await lab.sync(record("1"))
    await lab.execute(
        "DROP VIEW cadence_reporting.current_cadences CASCADE",  # made again, with all that depends on it
        "DROP FUNCTION cadence_reporting.cadences_as_of CASCADE",
        "CREATE VIEW cadence_reporting.later AS SELECT 1 AS x",
    )
    await migrate(lab.engine)
    async with connected(database_url, role) as connection:
        assert await connection.fetchval("SELECT x FROM cadence_reporting.later") == 1
        for call in CALLS:
            await connection.fetch(call)
        assert await connection.fetchval("SELECT count(*) FROM cadence_reporting.cadence_history") > 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM cadence_sync.discovered_fields")


@pytest.mark.parametrize(
    "rights",
    [
        "GRANT pg_read_all_data TO {reader}",
        "GRANT SELECT (raw) ON cadence_sync.cadence_versions TO {other}; GRANT {other} TO {reader}",
        "GRANT DELETE ON cadence_sync.cadences TO {other}; GRANT {other} TO {reader}",
        "GRANT UPDATE ON cadence_reporting.sync_runs TO {other}; GRANT {other} TO {reader}",
        "ALTER ROLE {reader} NOINHERIT; GRANT SELECT ON cadence_sync.orgs TO {other}; GRANT {other} TO {reader}",
        "ALTER ROLE {reader} SUPERUSER",
    ],
)
async def test_a_role_that_reads_or_writes_tables_by_another_way_is_refused(lab: Lab, role: str, rights: str) -> None:
    reader, other = '"' + role.replace('"', '""') + '"', f"other_{next(_NUMBERS)}"
    schemas = f"GRANT USAGE ON SCHEMA cadence_sync, cadence_reporting TO {other}"
    await lab.execute(f"CREATE ROLE {other}", schemas, *rights.format(reader=reader, other=other).split("; "))
    try:
        with pytest.raises(SettingsError, match="can read or write cadence_"):
            await grant_reader(lab.engine, role, Actor("ana"))
    finally:
        await lab.execute(f"ALTER ROLE {reader} NOSUPERUSER", f"DROP OWNED BY {other}", f"DROP ROLE {other}")


@pytest.mark.parametrize(
    "rights",
    [
        "GRANT CREATE ON SCHEMA public TO {reader}",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "GRANT CREATE ON SCHEMA public TO {other}; ALTER ROLE {reader} NOINHERIT; GRANT {other} TO {reader}",
        "CREATE SCHEMA {owner} AUTHORIZATION {reader}",
        "CREATE SCHEMA {owner}; GRANT CREATE ON SCHEMA {owner} TO {reader}",
        "GRANT CREATE ON DATABASE {database} TO {reader}",
        "CREATE SCHEMA sp; GRANT CREATE ON SCHEMA sp TO {reader}; ALTER DATABASE {database} SET search_path = sp",
    ],
)
async def test_a_role_that_could_shadow_names_is_refused_until_the_statements_are_run(
    lab: Lab, role: str, rights: str
) -> None:
    names = (await lab.rows("SELECT quote_ident(current_user) AS owner, current_database() AS database"))[0]
    reader, other = '"' + role.replace('"', '""') + '"', f"other_{next(_NUMBERS)}"
    statements = rights.format(reader=reader, other=other, **names).split("; ")
    await lab.execute(f"CREATE ROLE {other}", *statements)
    try:
        with pytest.raises(SettingsError) as caught:
            await grant_reader(lab.engine, role, Actor("test"))
        assert (caught.value.code, caught.value.exit_code) == ("ROLE_MAY_SHADOW", 2)
        assert [each.role for each in (await load_readers(lab.engine)).readers] == []
        remedies = caught.value.hint.partition("Run: ")[2].partition("; then")[0].split("; ")
        await lab.execute(*remedies)
        await grant_reader(lab.engine, role, Actor("test"))
        found = await load_readers(lab.engine)
        assert ([each.role for each in found.readers], found.shadowing) == ([role], [])
        await lab.execute(*(each for each in statements if each.startswith("GRANT CREATE")))
        assert role in {each.role for each in (await load_readers(lab.engine)).shadowing} or "AUTHOR" in rights
    finally:
        await lab.execute(f"DROP OWNED BY {other}", f"DROP ROLE {other}")


async def test_doctor_warns_of_who_may_shadow_names_and_of_a_superuser(
    lab: Lab, role: str, database_url: str, tmp_path: Path
) -> None:
    async def readers() -> tuple[str, bool]:
        result = await cli.run("doctor", "--json", cwd=tmp_path, DATABASE_URL=database_url)
        check = next(each for each in json.loads(result.out) if each["name"] == "readers")
        return check["state"], "REVOKE CREATE ON SCHEMA public FROM PUBLIC" in check["hint"]

    assert await readers() == ("ok", False)
    await grant_reader(lab.engine, role, Actor("test"))
    assert await readers() == ("warning", False)  # the owner of the tests' databases is a superuser
    await lab.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert await readers() == ("warning", True)


async def test_what_a_reader_could_write_through_views_is_taken_away(lab: Lab, role: str, database_url: str) -> None:
    quoted = role.replace('"', '""')
    await lab.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA cadence_reporting TO "{quoted}"')
    await grant_reader(lab.engine, role, Actor("ana"))
    async with connected(database_url, role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE cadence_reporting.sync_runs SET error_message = 'forged'")


@pytest.mark.parametrize("name", ["x" * 100, "", "a\nb", "caf\udce9"])
async def test_a_name_that_no_role_can_have_is_not_found(lab: Lab, name: str) -> None:
    with pytest.raises(NotFoundError, match="There is no role"):
        await grant_reader(lab.engine, name, Actor("ana"))


async def test_a_role_that_does_not_exist_is_named(lab: Lab, database_url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no role 'nobody'"):
        await grant_reader(lab.engine, "nobody", Actor("ana"))
    result = await cli.run("grant-reader", "nobody", cwd=tmp_path, DATABASE_URL=database_url)
    assert (result.code, result.out) == (1, "")
    assert "There is no role 'nobody'" in result.err


async def test_the_command_grants(role: str, database_url: str, tmp_path: Path) -> None:
    result = await cli.run("grant-reader", role, cwd=tmp_path, DATABASE_URL=database_url)
    assert (result.code, result.err) == (0, "")
    assert "may read cadence_reporting" in result.out
    async with connected(database_url, role) as connection:
        assert await connection.fetchval("SELECT count(*) FROM cadence_reporting.current_cadences") == 1
