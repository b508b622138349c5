"""`migrate` needs no more rights than it uses, says which are missing, and may run several times at once."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from cadence_sync.daemon.migration import migrate
from cadence_sync.db.engine import LOCK_MIGRATION, open_engine
from cadence_sync.errors import DatabaseError

SCHEMAS = ("cadence_sync", "cadence_reporting", "cadence_queue")
OWNERS = """
    SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class
    WHERE relnamespace::regnamespace::text = ANY($1) AND relkind IN ('r', 'v')
"""
TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = ANY($1)"


class Database:
    """An empty database of an administrator, and a role that may do nothing in it yet."""

    def __init__(self, url: str, admin: asyncpg.Connection) -> None:
        self.name = urlsplit(url).path.removeprefix("/")
        self.role = f"owner of {self.name}"
        self.quoted = f'"{self.role}"'
        self._url = url
        self._admin = admin

    @property
    def url(self) -> str:
        """The database's address for the role."""
        host = urlsplit(self._url).netloc.rpartition("@")[2]
        user = f"{self.role.replace(' ', '%20')}:secret@"
        return urlsplit(self._url)._replace(netloc=f"{user}{host}").geturl()

    async def execute(self, *statements: str) -> None:
        for statement in statements:
            await self._admin.execute(statement.format(role=self.quoted, database=self.name))

    async def migrate(self) -> str:
        async with open_engine(self.url) as engine:
            return await migrate(engine)

    async def refused(self) -> DatabaseError:
        """Migrate, which must be refused for lack of rights before anything is changed."""
        before = await self._admin.fetchval(TABLES, SCHEMAS)
        with pytest.raises(DatabaseError) as caught:
            await self.migrate()
        assert (caught.value.code, caught.value.exit_code) == ("DATABASE_PERMISSION", 5)
        assert await self._admin.fetchval(TABLES, SCHEMAS) == before
        return caught.value

    async def follow(self, hint: str) -> None:
        """Do as an administrator what a hint says."""
        grants = hint.partition("run: ")[2].partition("; then")[0]
        assert grants.startswith("GRANT ")
        await self._admin.execute(grants)

    async def owners(self) -> list[str]:
        return [row[0] for row in await self._admin.fetch(OWNERS, SCHEMAS)]


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    admin = await asyncpg.connect(empty_database_url)
    database = Database(empty_database_url, admin)
    try:
        await database.execute("CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        yield database
        await database.execute("DROP OWNED BY {role} CASCADE", "DROP ROLE {role}")
    finally:
        await admin.close()


async def test_schemas_that_an_administrator_made_are_enough(database: Database) -> None:
    for schema in SCHEMAS:
        await database.execute(f"CREATE SCHEMA {schema}", f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {{role}}")
    assert await database.migrate() == await database.migrate()
    assert await database.owners() == [database.role]


async def test_schemas_that_are_handed_to_the_role_are_enough(database: Database) -> None:
    for schema in SCHEMAS:
        await database.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {{role}}")
    assert await database.migrate() == await database.migrate()


async def test_what_there_was_to_do_once_is_not_needed_again(database: Database) -> None:
    """Neither CREATE on the database nor on the schemas, and no right to write."""
    await database.execute("GRANT CREATE ON DATABASE {database} TO {role}")
    reached = await database.migrate()
    await database.execute(
        "REVOKE CREATE ON DATABASE {database} FROM {role}",
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        *(f"REVOKE CREATE ON SCHEMA {schema} FROM {{role}}" for schema in SCHEMAS),
    )
    assert await database.migrate() == reached


async def test_a_migration_with_nothing_to_do_waits_for_no_other(database: Database) -> None:
    await database.execute("GRANT CREATE ON DATABASE {database} TO {role}")
    reached = await database.migrate()
    await database.execute("BEGIN", LOCK_MIGRATION)
    try:
        async with asyncio.timeout(20):
            assert await database.migrate() == reached
    finally:
        await database.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("made", "missing"),
    [
        ([], ['CREATE ON DATABASE {database} TO "{role}"']),
        (
            [f"CREATE SCHEMA {schema}" for schema in SCHEMAS],
            [f'{right} ON SCHEMA {schema} TO "{{role}}"' for right in ("USAGE", "CREATE") for schema in SCHEMAS],
        ),
        (
            ["CREATE SCHEMA cadence_queue", "GRANT USAGE ON SCHEMA cadence_queue TO {role}"],
            ['CREATE ON DATABASE {database} TO "{role}"', 'CREATE ON SCHEMA cadence_queue TO "{role}"'],
        ),
    ],
    ids=["nothing", "schemas alone", "one schema"],
)
async def test_the_missing_grants_are_named_and_suffice(
    database: Database, made: list[str], missing: list[str]
) -> None:
    await database.execute(*made)
    error = await database.refused()
    for grant in missing:
        assert f"GRANT {grant.format(role=database.role, database=database.name)};" in error.hint
    assert error.hint.count("GRANT ") == len(missing)
    await database.follow(error.hint)
    await database.migrate()


async def test_tables_of_another_owner_are_named_where_they_must_change(
    database: Database, empty_database_url: str
) -> None:
    async with open_engine(empty_database_url) as engine:
        await migrate(engine)
    await database.execute(
        *(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {{role}}" for schema in SCHEMAS),
        "GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA cadence_sync TO {role}",
    )
    await database.migrate()  # there is nothing to do
    await database.execute("UPDATE cadence_sync.reporting_layer SET checksum = 'another'")
    error = await database.refused()
    assert "ownership of cadence_reporting." in error.message
    assert error.hint.count("GRANT ") == 1
    await database.follow(error.hint)
    try:
        await database.migrate()
    finally:
        owner = error.hint.partition("GRANT ")[2].partition(" TO")[0]
        await database.execute(f"REVOKE {owner} FROM {{role}}", "REASSIGN OWNED BY {role} TO CURRENT_USER")


async def test_a_view_that_an_analyst_owns_is_theirs_to_grant(database: Database) -> None:
    await database.execute("GRANT CREATE ON DATABASE {database} TO {role}")
    await database.migrate()
    await database.execute(
        "CREATE VIEW cadence_reporting.mine AS SELECT 1 AS one",
        f'CREATE ROLE "reads {database.name}"',
        f'GRANT SELECT ON cadence_reporting.cadence_history TO "reads {database.name}"',
    )
    try:
        await database.migrate()
    finally:
        await database.execute(f'DROP OWNED BY "reads {database.name}"', f'DROP ROLE "reads {database.name}"')


@pytest.mark.parametrize("attempt", range(3))
async def test_several_first_migrations_at_once_all_end_well(database: Database, attempt: int) -> None:
    del attempt
    await database.execute("GRANT CREATE ON DATABASE {database} TO {role}")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(database.migrate()) for _ in range(5)]
    assert len({task.result() for task in tasks}) == 1
