"""Brings the schema `cadence_reporting` to the files of migrations/reporting/, inside the transaction of `migrate`.

An object is replaced where Postgres can do that, so that views which users built on it stay. Where its columns or its
signature changed it is dropped and created again, with those of ours that depend on it. A user's own object that
depends on it stops the migration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync import __version__
from cadence_sync.db.engine import driver_connection, sqlstate_of
from cadence_sync.db.revision import (
    REPORTING,
    ReportingLayer,
    ReportingObject,
    refuse_newer_release,
    reporting_checksum,
)
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError

_IRREPLACEABLE: Final = frozenset({"42P13", "42P16", "42809"})
"""SQLSTATEs of CREATE OR REPLACE where columns, signature or kind differ."""
_GONE: Final = frozenset({"42P01", "42703", "42704", "42883"})
"""SQLSTATEs of a table, column, role or function that does not exist."""
_APPLIED: Final = text(f"SELECT checksum, views, routines, release FROM {SCHEMA}.reporting_layer")  # noqa: S608
_FORGET: Final = f"DELETE FROM {SCHEMA}.reporting_layer"  # noqa: S608 - a constant
_RECORD: Final = text(f"""
    INSERT INTO {SCHEMA}.reporting_layer (checksum, views, routines, release)
    VALUES (:checksum, :views, :routines, :release)
""")  # noqa: S608 - a constant
_TO: Final = (
    "coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC')"
    " || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"
)
_SCHEMA: Final = "to_regnamespace(:schema)"
_GRANTED: Final = text(f"""
    SELECT format('GRANT %s ON TABLE %s TO ', a.privilege_type, c.oid::regclass) || {_TO}
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.relnamespace = {_SCHEMA} AND c.relkind IN ('r', 'v', 'm') AND a.grantee <> c.relowner
    UNION ALL
    SELECT format('GRANT %s (%I) ON TABLE %s TO ', a.privilege_type, t.attname, c.oid::regclass) || {_TO}
    FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) AS a
    WHERE c.relnamespace = {_SCHEMA} AND a.grantee <> c.relowner
    UNION ALL
    SELECT format('GRANT %s ON ROUTINE %s TO ', a.privilege_type, p.oid::regprocedure) || {_TO}
    FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(p.proacl) AS a
    WHERE p.pronamespace = {_SCHEMA} AND a.grantee <> p.proowner
    UNION ALL
    SELECT format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', p.oid::regprocedure)
    FROM pg_proc AS p
    WHERE p.pronamespace = {_SCHEMA} AND p.proacl IS NOT NULL
      AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0)
""")  # noqa: S608 - constants
# Limited to what this user may grant: a view of another owner is theirs to grant.
_LACKING: Final = text(f"""
    WITH readers AS (
        SELECT DISTINCT r.oid, r.rolname FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE c.relnamespace = {_SCHEMA} AND c.relname = 'cadence_history' AND a.privilege_type = 'SELECT'
          AND a.grantee <> c.relowner
    )
    SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, r.rolname)
    FROM readers AS r JOIN pg_namespace AS n ON n.oid = {_SCHEMA}
    WHERE NOT has_schema_privilege(r.oid, n.oid, 'USAGE') AND pg_has_role(n.nspowner, 'USAGE')
    UNION ALL
    SELECT format('GRANT SELECT ON TABLE %s TO %I', c.oid::regclass, r.rolname)
    FROM readers AS r JOIN pg_class AS c ON c.relnamespace = {_SCHEMA} AND c.relkind IN ('r', 'v', 'm')
    WHERE NOT has_table_privilege(r.oid, c.oid, 'SELECT') AND pg_has_role(c.relowner, 'USAGE')
    UNION ALL
    SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', p.oid::regprocedure, r.rolname)
    FROM readers AS r JOIN pg_proc AS p ON p.pronamespace = {_SCHEMA}
    WHERE NOT has_function_privilege(r.oid, p.oid, 'EXECUTE') AND pg_has_role(p.proowner, 'USAGE')
""")  # noqa: S608 - constants
_IS_LIMITED: Final = f"SELECT EXISTS (SELECT FROM {SCHEMA}.reader_limits)"  # noqa: S608 - a constant
_UNLIKE: Final = text("""
    SELECT c.relname FROM pg_class AS c
    WHERE c.relnamespace = to_regnamespace(:schema) AND c.relname = ANY(:views)
      AND coalesce('security_barrier=true' = ANY(c.reloptions), false) <> :limited
""")
_SCHEMA_OWNED: Final = text("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema")
_EXISTING: Final = text("""
    SELECT c.relname AS name, c.oid, c.relkind = 'v' AS is_view, false AS is_routine
    FROM pg_class AS c
    WHERE c.relnamespace = to_regnamespace(:schema) AND c.relname = ANY(:views)
    UNION ALL
    SELECT p.proname, p.oid, false, true
    FROM pg_proc AS p
    WHERE p.pronamespace = to_regnamespace(:schema) AND p.proname = ANY(:routines)
""")
_COLUMNS: Final = text("""
    SELECT c.relname AS view, a.attname AS column
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = to_regnamespace(:schema) AND c.relname = ANY(:views)
""")
# A view depends through its rule, a table or a function through the type of a view's rows, a function by its body.
# The deepest come first: none of those that follow depends on them.
_DEPENDENTS: Final = text("""
    WITH RECURSIVE dependents (classid, objid, depth) AS (
        SELECT CASE WHEN :is_view THEN 'pg_class'::regclass ELSE 'pg_proc'::regclass END::oid, o.oid, 0
        FROM unnest(CAST(:oids AS oid[])) AS o (oid)
        UNION
        SELECT CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END, coalesce(r.ev_class, d.objid),
               x.depth + 1
        FROM dependents AS x
        JOIN pg_depend AS d ON d.refclassid = x.classid AND d.refobjid = x.objid
        LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        WHERE coalesce(r.ev_class, d.objid) <> x.objid  -- the rule of a view depends on it
    )
    SELECT i.type || ' ' || i.identity AS label, coalesce(c.relkind = 'v', false) AS is_view,
           coalesce(c.relname, p.proname) AS name,
           coalesce(c.relnamespace, p.pronamespace) = to_regnamespace(:schema) AS in_schema
    FROM (SELECT classid, objid, max(depth) AS depth FROM dependents GROUP BY classid, objid) AS x
    CROSS JOIN LATERAL pg_identify_object(x.classid, x.objid, 0) AS i
    LEFT JOIN pg_class AS c ON x.classid = 'pg_class'::regclass AND c.oid = x.objid
    LEFT JOIN pg_proc AS p ON x.classid = 'pg_proc'::regclass AND p.oid = x.objid
    WHERE x.classid <> 'pg_type'::regclass AND i.identity IS NOT NULL
    ORDER BY x.depth DESC, label
""")


@dataclass(frozen=True, slots=True)
class Applied:
    checksum: str = ""
    views: Sequence[str] = ()
    routines: Sequence[str] = ()
    release: str | None = None


async def _load_applied(connection: AsyncConnection) -> Applied:
    row = (await connection.execute(_APPLIED)).one_or_none()
    applied = Applied() if row is None else Applied(*row)
    refuse_newer_release(applied.release)
    return applied


async def is_current(connection: AsyncConnection) -> bool:
    applied = await _load_applied(connection)
    if applied.checksum != reporting_checksum():
        return False
    existing = await _existing(connection, applied.views, applied.routines)
    return len(existing) == len(applied.views) + len(applied.routines)


async def apply_layer(connection: AsyncConnection, layer: ReportingLayer) -> None:
    applied = await _load_applied(connection)
    if await connection.scalar(_SCHEMA_OWNED, {"schema": REPORTING}) is None:
        await connection.exec_driver_sql(f"CREATE SCHEMA {REPORTING}")
    await _refuse_taken_names(connection, layer, applied)
    for each in layer.objects:
        await _create(connection, each, applied)
    views = set(applied.views).difference(layer.views)
    routines = set(applied.routines).difference(layer.routines)
    for obsolete in await _existing(connection, sorted(views), sorted(routines)):
        await _drop(connection, obsolete.name, [obsolete.oid], applied, is_view=obsolete.is_view)
    await set_barriers(connection, layer)
    await _comment(connection, layer)
    await connection.exec_driver_sql(_FORGET)
    record = {"views": layer.views, "routines": layer.routines, "release": __version__}
    await connection.execute(_RECORD, record | {"checksum": reporting_checksum()})


async def _create(connection: AsyncConnection, each: ReportingObject, applied: Applied) -> None:
    before = [] if each.is_view else await _oids(connection, each)
    try:
        async with connection.begin_nested():
            await connection.exec_driver_sql(each.sql)
    except DBAPIError as error:
        if sqlstate_of(error) not in _IRREPLACEABLE:
            raise
        await _drop(connection, each.name, await _oids(connection, each), applied, is_view=each.is_view)
        await connection.exec_driver_sql(each.sql)
        return
    # A function with other arguments does not replace the former one.
    if before and len(await _oids(connection, each)) > len(before):
        await _drop(connection, each.name, before, applied, is_view=False)


async def _drop(
    connection: AsyncConnection, name: str, oids: Sequence[int], applied: Applied, *, is_view: bool
) -> None:
    """Drops an object and its dependents in the layer; raises `DatabaseError` where a user's object depends on it."""
    asked = {"schema": REPORTING, "oids": oids, "is_view": is_view}
    dependents = (await connection.execute(_DEPENDENTS, asked)).all()
    ours = [each for each in dependents if _is_ours(each, applied)]
    foreign = [each.label for each in dependents if not _is_ours(each, applied)]
    if foreign:
        raise DatabaseError(
            f"{REPORTING}.{name} must be dropped to change it, and these depend on it: {', '.join(foreign)}.",
            hint="Drop them, run `cadence-sync migrate`, and create them again. Nothing was changed.",
            code="REPORTING_DEPENDENTS",
        )
    for each in ours:
        kind = "VIEW" if each.is_view else "ROUTINE"
        await connection.exec_driver_sql(f"DROP {kind} {each.label.partition(' ')[2]}")


def _is_ours(dependent: Any, applied: Applied) -> bool:
    return dependent.in_schema is True and dependent.name in (applied.views if dependent.is_view else applied.routines)


async def _refuse_taken_names(connection: AsyncConnection, layer: ReportingLayer, applied: Applied) -> None:
    for each in await _existing(connection, layer.views, layer.routines):
        ours = applied.routines if each.is_routine else applied.views
        if each.name not in ours:
            raise DatabaseError(
                f"{REPORTING}.{each.name} exists and is no part of cadence-sync, which needs that name.",
                hint="Rename or drop it, then run `cadence-sync migrate`. Nothing was changed.",
                code="REPORTING_NAME_TAKEN",
            )


async def _existing(connection: AsyncConnection, views: Sequence[str], routines: Sequence[str]) -> Sequence[Any]:
    asked = {"schema": REPORTING, "views": list(views), "routines": list(routines)}
    return (await connection.execute(_EXISTING, asked)).all()


async def _oids(connection: AsyncConnection, each: ReportingObject) -> list[int]:
    views, routines = ([each.name], []) if each.is_view else ([], [each.name])
    return [found.oid for found in await _existing(connection, views, routines)]


async def _comment(connection: AsyncConnection, layer: ReportingLayer) -> None:
    statements: list[str] = []
    for each in layer.objects:
        group, kind = ("views", "VIEW") if each.is_view else ("routines", "ROUTINE")
        comment = layer.comments[group][each.name]
        statements.append(f"COMMENT ON {kind} {REPORTING}.{each.name} IS {_quoted(comment)}")
    columns = layer.comments["columns"]
    for view, column in await connection.execute(_COLUMNS, {"schema": REPORTING, "views": layer.views}):
        comment = columns.get(f"{view}.{column}") or columns[column]
        statements.append(f"COMMENT ON COLUMN {REPORTING}.{view}.{column} IS {_quoted(comment)}")
    if await connection.scalar(_SCHEMA_OWNED, {"schema": REPORTING}):
        statements.append(f"COMMENT ON SCHEMA {REPORTING} IS {_quoted(layer.schema_comment)}")
    driver = await driver_connection(connection)
    await driver.execute(";\n".join(statements))  # hundreds of statements in one round trip


def _quoted(comment: str) -> str:
    """Returns a string constant: COMMENT takes no parameters."""
    return "'" + comment.replace("'", "''") + "'"


async def set_barriers(connection: AsyncConnection, layer: ReportingLayer) -> None:
    """Gives views over tables their limited form while a reader is limited to organizations, and only then.

    In the plain form a reader's condition may be evaluated on rows of other organizations first, and tell of them by an
    error, a function's side effect or EXPLAIN ANALYZE. The limited one keeps joins from reaching into a view, which
    other readers pay for.
    """
    limited = bool(await connection.scalar(text(_IS_LIMITED)))
    views = {each.name: each for each in layer.objects if each.is_view and each.reads_tables}
    asked = {"schema": REPORTING, "views": list(views), "limited": limited}
    for name in (await connection.scalars(_UNLIKE, asked)).all():
        await connection.exec_driver_sql(views[name].limited_sql if limited else views[name].sql)


async def load_grants(connection: AsyncConnection) -> list[str]:
    """Returns the layer's grants, and its revocations from PUBLIC, as statements that repeat them."""
    return list(await connection.scalars(_GRANTED, {"schema": REPORTING}))


async def restore_grants(connection: AsyncConnection, before: Sequence[str]) -> None:
    now = set(await load_grants(connection))
    for statement in before:
        if statement in now:
            continue
        try:
            async with connection.begin_nested():
                await connection.exec_driver_sql(statement)
        except DBAPIError as error:
            if sqlstate_of(error) not in _GONE:
                raise


async def load_lacking_grants(connection: AsyncConnection) -> list[str]:
    """Returns the grants by which the layer's readers can read what was added to it, of those this user may give."""
    return list(await connection.scalars(_LACKING, {"schema": REPORTING}))
