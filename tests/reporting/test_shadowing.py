"""What a role creates on the search path never runs as the daemon: names are resolved once, by `migrate`."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from cadence_sync.daemon.migration import migrate
from cadence_sync.db.engine import open_engine
from cadence_sync.db.revision import load_reporting_layer, migrations_folder
from tests.reporting.objects import calls
from tests.reporting.story import tell
from tests.support.databases import Databases
from tests.support.lab import Lab

CAPTURED = "XX999"
"""The SQLSTATE of every function of the attacker."""
TYPES = ("text", "jsonb", "json", "integer", "bigint", "timestamptz", "date", "boolean", "interval", "text[]")
FEW = ("text", "jsonb", "integer", "text[]", "timestamptz")
ATTACK = """
DO $attack$
DECLARE
    signature record;
    made text;
BEGIN
    FOR signature IN
        SELECT DISTINCT o.oprname AS name, l.type AS l, r.type AS r,
               CASE WHEN o.oprresult::regtype::text IN ('boolean', 'text', 'jsonb') THEN o.oprresult::regtype::text
                    ELSE r.type END AS result
        FROM pg_operator AS o CROSS JOIN unnest({types}) AS l (type) CROSS JOIN unnest({types}) AS r (type)
        WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprname = ANY({operators}) AND o.oprkind = 'b'
          AND to_regoperator(format('pg_catalog.%s(%s,%s)', o.oprname, l.type, r.type)) IS NULL
          AND NOT (l.type = r.type AND l.type IN ('json', 'jsonb'))  -- would take '{{a}}' for JSON, and fail
    LOOP
        made := format('{schema}.%s(%s,%s)', signature.name, signature.l, signature.r);
        CONTINUE WHEN to_regoperator(made) IS NOT NULL;
        made := format('{schema}.%I', 'op_' || md5(signature::text));
        EXECUTE format('CREATE FUNCTION %s(a %s, b %s) RETURNS %s LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS %L',
                       made, signature.l, signature.r, signature.result, {body});
        EXECUTE format('CREATE OPERATOR {schema}.%s (FUNCTION = %s, LEFTARG = %s, RIGHTARG = %s)',
                       signature.name, made, signature.l, signature.r);
    END LOOP;
    FOR signature IN
        SELECT p.proname AS name, args.list, min(p.prorettype::regtype::text) AS result
        FROM pg_proc AS p CROSS JOIN (
            SELECT 1 AS number, a.type AS list FROM unnest({types}) AS a (type)
            UNION ALL
            SELECT 2, a.type || ',' || b.type FROM unnest({types}) AS a (type), unnest({types}) AS b (type)
            UNION ALL
            SELECT 3, a.type || ',' || b.type || ',' || c.type
            FROM unnest({few}) AS a (type), unnest({few}) AS b (type), unnest({few}) AS c (type)
        ) AS args
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY({functions}) AND p.prokind = 'f'
          AND p.pronargs = args.number AND NOT p.proretset
          AND p.prorettype NOT IN (SELECT oid FROM pg_type WHERE typtype = 'p')
          AND to_regprocedure(format('pg_catalog.%I(%s)', p.proname, args.list)) IS NULL
        GROUP BY p.proname, args.list
    LOOP
        EXECUTE format('CREATE FUNCTION {schema}.%I(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS %L',
                       signature.name, signature.list, signature.result, {body});
    END LOOP;
END $attack$
"""
BODY = "$$BEGIN RAISE EXCEPTION 'captured' USING ERRCODE = 'XX999'; END$$"
UNPINNED = """
    SELECT p.oid::regprocedure::text AS function FROM pg_proc AS p
    WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'cadence\\_%')
      AND p.prokind <> 'a' AND p.prosqlbody IS NULL
      AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY(p.proconfig), false)
"""


def written() -> tuple[list[str], list[str]]:
    """Return all words before a parenthesis and all operators that the files of migrations/ use."""
    files = [*migrations_folder().glob("reporting/*.sql"), *migrations_folder().glob("versions/*.sql")]
    sql = "\n".join(re.sub("--.*", "", file.read_text(encoding="utf-8")) for file in files)
    functions = set(re.findall(r"\b([a-z_]+)\(", sql)) | {"strpos", "hashtextextended", "make_interval", "lower"}
    return sorted(functions), sorted(set(re.findall(r"(?<=\s)[-+*/<>=~!@#%^&|]+(?=\s)", sql)))


async def shadow(connection: asyncpg.Connection, role: str, schema: str) -> None:
    """Create, as that role, whatever matches better than what pg_catalog has."""
    functions, operators = written()
    assert {"#>>", "#>", "->>", "||", "=", "<>"} <= set(operators)
    assert {"jsonb_set", "left", "length", "replace", "date_trunc"} <= set(functions)

    def array(words: tuple[str, ...] | list[str]) -> str:
        return "ARRAY['" + "','".join(words) + "']"

    attack = ATTACK.format(
        schema=schema,
        types=array(TYPES),
        few=array(FEW),
        operators=array(operators),
        functions=array(functions),
        body=BODY,
    )
    await connection.execute(f"SET ROLE {role}")
    await connection.execute(attack)
    await connection.execute("RESET ROLE")
    made = await connection.fetchval("SELECT count(*) FROM pg_proc WHERE proowner = $1::regrole", role)
    assert made > 1000, made


@pytest.fixture(scope="module")
def story(databases: Databases) -> Iterator[str]:
    """The name of a database that holds the story, to clone."""
    with databases.lived_in(tell) as name:
        yield name


@asynccontextmanager
async def attacker(url: str) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    """Yield a connection of the owner, and a role that may create objects in what its search path names."""
    connection = await asyncpg.connect(url, statement_cache_size=0)
    database, owner = await connection.fetchrow("SELECT current_database(), quote_ident(current_user)")
    role = f"bi_of_{database}"
    await connection.execute(f"CREATE SCHEMA {owner}; CREATE ROLE {role}")
    await connection.execute(f"GRANT CREATE, USAGE ON SCHEMA public, {owner} TO {role}")
    try:
        yield connection, role
    finally:
        await connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
        await connection.close()


async def captured(connection: asyncpg.Connection, statement: str) -> bool:
    try:
        await connection.fetch(statement)
    except asyncpg.PostgresError as error:
        if error.sqlstate != CAPTURED:
            raise
        return True
    return False


@pytest.mark.parametrize("schema", ["public", '"$user"'])
async def test_nothing_that_a_role_creates_runs_in_views_functions_and_triggers(
    databases: Databases, story: str, schema: str
) -> None:
    url = databases.clone(story)
    async with attacker(url) as (connection, role):
        owner = await connection.fetchval("SELECT quote_ident(current_user)")
        await shadow(connection, role, schema.replace('"$user"', owner))
        assert await captured(connection, "SELECT '{}'::jsonb #>> '{a}'")  # the attack works
        statements = await calls(connection)
        assert set(statements) == {each.name for each in load_reporting_layer().objects}
        assert [name for name, sql in statements.items() if await captured(connection, sql)] == []
        for statement in (
            "DELETE FROM cadence_sync.cadences",
            "UPDATE cadence_sync.cadence_versions SET raw = NULL WHERE version = 1",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await connection.execute(statement)
    databases.drop(url)


async def test_nothing_that_migrate_creates_depends_on_what_a_role_created(empty_database_url: str) -> None:
    async with attacker(empty_database_url) as (connection, role):
        await shadow(connection, role, "public")
        async with open_engine(empty_database_url) as engine:
            await migrate(engine)
        await connection.execute(f"DROP OWNED BY {role}")  # is refused where something depends on it


async def test_no_function_resolves_names_when_it_runs(lab: Lab) -> None:
    assert await lab.rows(UNPINNED) == []


async def test_functions_are_still_inlined(databases: Databases, story: str) -> None:
    """A body of the SQL standard is part of the query that calls it; a pinned search path would prevent that."""
    url = databases.clone(story)
    connection = await asyncpg.connect(url)
    names = await connection.fetch("""
        SELECT p.proname FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
        WHERE p.pronamespace = 'cadence_reporting'::regnamespace AND l.lanname = 'sql' AND p.proretset
    """)
    assert {"cadences_as_of", "cadence_diff", "compare_orgs"} <= {name for (name,) in names}
    statements = await calls(connection)
    for (name,) in names:
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statements[name]}"))
        assert f"Function Scan on {name}" not in plan
    await connection.close()
    databases.drop(url)
