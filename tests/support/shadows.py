"""What a role that may create objects in `public` puts there: operators and functions that ours could be taken for."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg

import cadence_sync

ROLE: Final = "shadow"
CALLED: Final = "public.called"
"""A sequence: what is drawn from it outlives a rollback, and a transaction that only reads refuses it."""
_TYPES: Final = (
    "text", "varchar", "name", "json", "jsonb", "int4", "int8", "float8", "timestamptz", "interval", "text[]",
    "varchar[]", "bytea",
)  # fmt: skip
_FUNCTION_TYPES: Final = ("text", "varchar", "int4", "jsonb", "timestamptz", "text[]")
_TRUTHS: Final = ("=", "<>", "<", ">", "<=", ">=", "~", "~~", "@>", "<@", "&&", "?")
_TEXTS: Final = ("||", "->", "->>", "#>", "#>>", "+", "-", "*", "/")
_SETUP: Final = """
    GRANT CREATE, USAGE ON SCHEMA public TO {role};
    SET ROLE {role};
    CREATE SEQUENCE {called};
    GRANT ALL ON SEQUENCE {called} TO PUBLIC;
    CREATE FUNCTION public.trap(text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        RAISE LOG 'called: %', $1;
        PERFORM pg_catalog.nextval('{called}'::pg_catalog.regclass);
        RETURN NULL;
    END $$;
"""
# Those with the same types as one of pg_catalog are never preferred to it.
_OPERATORS: Final = """
DO $make$
DECLARE o record; f text;
BEGIN
    FOR o IN
        SELECT n.name, n.result, l.type AS l, r.type AS r, row_number() OVER () AS i
        FROM unnest($names$%s$names$::text[], $results$%s$results$::text[]) AS n (name, result)
        CROSS JOIN unnest('%s'::text[]) AS l (type) CROSS JOIN unnest('%s'::text[]) AS r (type)
        -- A string of unknown type is taken for the type of the other side, if an operator for both exists.
        WHERE (l.type <> r.type OR l.type NOT LIKE 'json%%') AND NOT EXISTS (
            SELECT FROM pg_operator AS p WHERE p.oprname = n.name AND p.oprnamespace = 'pg_catalog'::regnamespace
                AND p.oprleft = l.type::regtype AND p.oprright = r.type::regtype
        )
    LOOP
        f := format('public.op_%%s', o.i);
        EXECUTE format('CREATE FUNCTION %%s(%%s, %%s) RETURNS %%s LANGUAGE plpgsql AS '
            '$$BEGIN PERFORM public.trap(%%L); RETURN NULL; END$$', f, o.l, o.r, o.result, o.l || o.name || o.r);
        EXECUTE format(
            'CREATE OPERATOR public.%%s (LEFTARG = %%s, RIGHTARG = %%s, FUNCTION = %%s)', o.name, o.l, o.r, f
        );
    END LOOP;
END $make$
"""
_FUNCTIONS: Final = """
DO $make$
DECLARE f record;
BEGIN
    FOR f IN
        SELECT DISTINCT p.proname AS name, a.types FROM pg_proc AS p CROSS JOIN (
            SELECT t.type AS types FROM unnest('%s'::text[]) AS t (type)
            UNION ALL
            SELECT l.type || ', ' || r.type FROM unnest('%s'::text[]) AS l (type), unnest('%s'::text[]) AS r (type)
            UNION ALL
            VALUES ('varchar, varchar, bool'), ('varchar, varchar, varchar'), ('text, varchar, bool')
        ) AS a
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.proname = ANY('%s'::text[])
    LOOP
        EXECUTE format('CREATE FUNCTION public.%%I(%%s) RETURNS text LANGUAGE plpgsql AS '
            '$$BEGIN RETURN public.trap(%%L); END$$', f.name, f.types, f.name || '(' || f.types || ')');
    END LOOP;
END $make$
"""


async def shadow(url: str) -> None:
    """Make them as a role without rights to our schemas, and see that they are called where a path leads there."""
    connection = await asyncpg.connect(url)
    try:
        with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # it belongs to the whole server
            await connection.execute(f"CREATE ROLE {ROLE}")
        for statement in _statements():
            await connection.execute(statement)
        await connection.execute("RESET ROLE")
        for expression in ("'{}'::jsonb #>> '{a}'", "'a'::text = 'a'::varchar", "length('a'::varchar)"):
            await connection.execute(f"ALTER SEQUENCE {CALLED} RESTART")
            await connection.fetchval(f"SELECT {expression}")
            assert await is_called(connection), expression
        await connection.execute(f"ALTER SEQUENCE {CALLED} RESTART")
        assert not await is_called(connection)
    finally:
        await connection.close()


async def is_called(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval(f"SELECT is_called FROM {CALLED}"))


def _statements() -> Iterator[str]:
    yield _SETUP.format(role=ROLE, called=CALLED)
    names, results = [*_TRUTHS, *_TEXTS], ["bool"] * len(_TRUTHS) + ["text"] * len(_TEXTS)
    types = _array(_TYPES)
    yield _OPERATORS % (_array(names), _array(results), types, types)
    types = _array(_FUNCTION_TYPES)
    yield _FUNCTIONS % (types, types, types, _array(sorted(_called_functions())))


def _called_functions() -> set[str]:
    """Return the words that our source follows by a parenthesis; the catalog says which are functions of its own."""
    package = Path(cadence_sync.__file__).parent
    files = [*(package / "db").rglob("*.py"), *(package.parent / "migrations").rglob("*.sql")]
    return {name for file in files for name in re.findall(r"\b([a-z_0-9]+)\(", file.read_text(encoding="utf-8"))}


def _array(items: list[str] | tuple[str, ...]) -> str:
    return "{" + ",".join(f'"{item}"' for item in items) + "}"
