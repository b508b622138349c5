"""A reader limited to organizations sees no row of another, whatever it asks, and by no function of its own."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from cadence_sync.db.engine import open_engine
from cadence_sync.db.grants import grant_reader
from cadence_sync.db.migrate import migrate
from cadence_sync.db.orgs import purge
from cadence_sync.errors import SettingsError
from cadence_sync.ports import Actor
from tests.reporting.objects import calls
from tests.reporting.story import tell
from tests.support.databases import Databases

COLUMNS = """
    SELECT c.relname AS view, array_agg(a.attname::text) AS columns
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND c.relkind = 'v'
    GROUP BY c.relname
"""
LEAK = """
    CREATE FUNCTION pg_temp.leak(value text, others text[]) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS $$
    BEGIN
        IF value = ANY(others) THEN
            RAISE EXCEPTION 'leaked %', value USING ERRCODE = 'XX998';
        END IF;
        RETURN true;
    END $$
"""
BARRIERS = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace = 'cadence_reporting'::regnamespace AND reloptions = '{security_barrier=true}'
"""
DEFINITIONS = """
    SELECT string_agg(pg_get_viewdef(oid), ';' ORDER BY relname) FROM pg_class
    WHERE relnamespace = 'cadence_reporting'::regnamespace AND relkind = 'v'
"""
# Not the columns of a type without equality. A value that no row of sandbox has where there is one.
COMPARABLE = """
    SELECT c.relname AS view, quote_ident(a.attname) AS column, format_type(a.atttypid, NULL) AS type
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND c.relkind = 'v' AND a.atttypid <> 'json'::regtype
"""
FOREIGN = """
    SELECT {column}::text FROM cadence_reporting.{view} AS v WHERE org_id = 'production' AND {column} IS NOT NULL
    ORDER BY {column} IN (SELECT {column} FROM cadence_reporting.{view} WHERE org_id = 'sandbox') LIMIT 1
"""
ORGS = "SELECT array_agg(DISTINCT org_id ORDER BY org_id) FROM cadence_reporting."


@pytest.fixture(scope="module")
def story(databases: Databases) -> Iterator[str]:
    with databases.lived_in(tell) as name:
        yield name


@pytest.fixture
def url(databases: Databases, story: str) -> Iterator[str]:
    url = databases.clone(story)
    yield url
    databases.drop(url)


@pytest.fixture
async def owner(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    yield connection
    await connection.execute("RESET SESSION AUTHORIZATION")
    for role in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'limits\\_%'"):
        await connection.execute(f"DROP OWNED BY {role[0]} CASCADE; DROP ROLE {role[0]}")
    await connection.close()


async def grant(url: str, role: str, *orgs: str) -> None:
    async with open_engine(url) as engine:
        await grant_reader(engine, role, Actor("test"), orgs)


async def seen(connection: asyncpg.Connection, session: str, role: str | None = None) -> list[str] | None:
    """Return the organizations that a view and a function show to that user."""
    await connection.execute(f"SET SESSION AUTHORIZATION {session}" + (f"; SET ROLE {role}" if role else ""))
    try:
        orgs: list[str] | None = await connection.fetchval(f"{ORGS}sync_runs")
        assert await connection.fetchval(f"{ORGS}cadences_as_of(now())") == orgs
        return orgs
    finally:
        await connection.execute("RESET SESSION AUTHORIZATION")


async def test_no_view_or_function_shows_another_organization(url: str, owner: asyncpg.Connection) -> None:
    await owner.execute("CREATE ROLE limits_a")
    await grant(url, "limits_a", "sandbox")
    statements = await calls(owner, "sandbox", "sandbox")
    everything = {name: await owner.fetch(sql) for name, sql in statements.items()}
    of_all = {name for name, rows in everything.items() if {"production", "sandbox"} <= {r.get("org_id") for r in rows}}
    assert {"change_log", "current_cadences", "stored_versions", "sync_runs", "history_known_by"} <= of_all
    assert all("org_id" in columns for _, columns in await owner.fetch(COLUMNS))
    await owner.execute("SET SESSION AUTHORIZATION limits_a")
    for name, sql in statements.items():
        rows, full = await owner.fetch(sql), everything[name]
        if name == "reader_limits":
            assert [row["org_id"] for row in rows] == ["sandbox"]
        elif rows and "org_id" in rows[0]:
            assert {row["org_id"] for row in rows} == {"sandbox"}, name
            assert len(rows) == sum(row["org_id"] == "sandbox" for row in full), name
        else:
            assert len(rows) == sum(row.get("org_id") is None for row in full), name
    for call in ("cadences_as_of(now(), 'production')", "compare_orgs('sandbox', 'production')"):
        with pytest.raises(asyncpg.NoDataFoundError):  # as for one that does not exist
            await owner.fetch(f"SELECT * FROM cadence_reporting.{call}")
    assert await owner.fetch("SELECT * FROM cadence_reporting.cadence_history WHERE org_id = 'production'") == []


async def leaks(connection: asyncpg.Connection, role: str) -> list[str]:
    """Return the columns of which a cheap function of that role is given values that production alone has."""
    found = []
    secrets: dict[tuple[str, str], set[str | None]] = {}
    own: set[str | None] = set()
    for view, columns in await connection.fetch(COLUMNS):
        for column in columns:
            query = f"SELECT ARRAY(SELECT DISTINCT {column}::text FROM cadence_reporting.{view} WHERE org_id"
            secrets[view, column] = set(await connection.fetchval(f"{query} = 'production')"))
            own.update(await connection.fetchval(f"{query} <> 'production')"))
    await connection.execute(f"SET SESSION AUTHORIZATION {role}")
    await connection.execute(LEAK)
    for (view, column), values in secrets.items():
        try:
            await connection.fetch(
                f"SELECT 1 FROM cadence_reporting.{view} WHERE pg_temp.leak({column}::text, $1)", values - own
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate != "XX998":
                raise
            found.append(f"{view}.{column}")
    await connection.execute("RESET SESSION AUTHORIZATION")
    return found


async def test_a_cheap_function_in_a_condition_is_given_no_other_rows(url: str, owner: asyncpg.Connection) -> None:
    await owner.execute("CREATE ROLE limits_a")
    await grant(url, "limits_a", "sandbox")
    assert await leaks(owner, "limits_a") == []


async def explained(connection: asyncpg.Connection, value: str | None) -> list[str]:
    argument = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
    rows = await connection.fetch(
        f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) EXECUTE asked({argument})"
    )
    return [row[0] for row in rows]


async def test_explain_analyze_does_not_tell_whether_rows_of_others_meet_a_condition(
    url: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("CREATE ROLE limits_a")
    await grant(url, "limits_a", "sandbox")
    asked = []
    for view, column, kind in await owner.fetch(COMPARABLE):
        foreign = await owner.fetchval(FOREIGN.format(view=view, column=column))
        if foreign is not None:
            asked.append((view, column, kind, foreign))
    assert {"current_cadences", "change_log", "stored_versions", "sync_freshness"} <= {view for view, *_ in asked}
    await owner.execute("SET SESSION AUTHORIZATION limits_a")
    # Values that are planned for may have different plans, by the statistics of all rows.
    await owner.execute("SET plan_cache_mode = force_generic_plan; SET datestyle = 'ISO'")
    telling = []
    for view, column, kind, foreign in asked:
        others = "" if column == "org_id" else "org_id = 'production' AND "
        await owner.execute(
            f"PREPARE asked({kind}) AS SELECT 1 FROM cadence_reporting.{view} WHERE {others}{column} = $1"
        )
        if await explained(owner, foreign) != await explained(owner, None):
            telling.append(f"{view}.{column}")
        await owner.execute("DEALLOCATE asked")
    assert telling == []


async def test_limited_and_other_readers_have_their_indexes(url: str, owner: asyncpg.Connection) -> None:
    await owner.execute("CREATE ROLE limits_a; SET enable_seqscan = off")
    await grant(url, "limits_a", "sandbox")
    await owner.execute(
        "PREPARE asked(text) AS SELECT 1 FROM cadence_reporting.stored_versions "
        "WHERE org_id = 'production' AND cadence_id = $1"
    )
    plan = await explained(owner, "1")
    used = next(number for number, line in enumerate(plan) if "Index Cond" in line)
    assert "cadence_id = '1'" in plan[used]
    assert "never executed" not in plan[used - 1]
    assert any("never executed" in line for line in plan)  # the part for limited readers
    await owner.execute("SET SESSION AUTHORIZATION limits_a")
    read = [line for line in await explained(owner, "1") if "never executed" not in line]
    assert any("Index Scan" in line or "Bitmap Heap Scan" in line for line in read)
    assert not any("Seq Scan" in line for line in read)


async def test_members_are_limited_and_limits_win(url: str, owner: asyncpg.Connection) -> None:
    for role in ("limits_a", "limits_b", "limits_all", "limits_member", "limits_login NOINHERIT"):
        await owner.execute(f"CREATE ROLE {role}")
    await owner.execute("GRANT limits_a, limits_all TO limits_member; GRANT limits_a, limits_b TO limits_login")
    await grant(url, "limits_a", "sandbox")
    await grant(url, "limits_b", "production")
    await grant(url, "limits_all")
    both = ["production", "sandbox"]
    assert await seen(owner, "limits_all") == both
    assert await seen(owner, "limits_a") == ["sandbox"]
    assert await seen(owner, "limits_member") == ["sandbox"]
    assert await seen(owner, "limits_member", "limits_all") == ["sandbox"]
    assert await seen(owner, "limits_login", "limits_a") == ["sandbox"]
    assert await seen(owner, "limits_login", "limits_b") == ["production"]
    assert await owner.fetchval(f"{ORGS}sync_runs") == both  # the owner, though a superuser is a member of every role
    await grant(url, "limits_b", "production", "sandbox")
    await owner.execute("CREATE ROLE limits_twice; GRANT limits_a, limits_b TO limits_twice")
    await owner.execute("SET SESSION AUTHORIZATION limits_twice")
    rows = "SELECT count(*) = count(DISTINCT (org_id, run_id)) FROM cadence_reporting.sync_runs"
    assert await owner.fetchval(rows)  # an organization that two roles may read is there once
    await owner.execute("RESET SESSION AUTHORIZATION")
    await owner.execute("ALTER ROLE limits_a RENAME TO limits_renamed")
    assert await seen(owner, "limits_renamed") == ["sandbox"]


async def test_a_grant_replaces_the_list_and_without_one_the_role_reads_all(
    url: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("CREATE ROLE limits_a")
    plain = await owner.fetchval(DEFINITIONS)
    for orgs in (["sandbox"], ["production"], ["sandbox", "production", "sandbox"]):
        await grant(url, "limits_a", *orgs)
        assert await seen(owner, "limits_a") == sorted(set(orgs))
        assert await owner.fetchval(BARRIERS) > 5
    with pytest.raises(SettingsError) as caught:
        await grant(url, "limits_a", "sandbox", "unknown")
    assert caught.value.code == "UNKNOWN_ORG"
    await grant(url, "limits_a")
    assert await seen(owner, "limits_a") == ["production", "sandbox"]
    assert await owner.fetchval(BARRIERS) == 0
    assert await owner.fetchval(DEFINITIONS) == plain


async def test_limits_outlive_a_migration_and_the_purge_of_the_organization(
    url: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("CREATE ROLE limits_a")
    await grant(url, "limits_a", "sandbox")
    barriers = await owner.fetchval(BARRIERS)
    await owner.execute("DROP VIEW cadence_reporting.current_cadences CASCADE")
    async with open_engine(url) as engine:
        await migrate(engine)
        assert await owner.fetchval(BARRIERS) == barriers
        assert await seen(owner, "limits_a") == ["sandbox"]
        await purge(engine, "sandbox", Actor("test"))
    assert await seen(owner, "limits_a") is None
