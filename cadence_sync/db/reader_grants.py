"""Grants on the reporting layer that survive a migration, whose views may be dropped and created again."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.engine import sqlstate_of
from cadence_sync.db.migration_files import REPORTING

_GONE: Final = frozenset({"42P01", "42703", "42704", "42883"})
"""SQLSTATEs of a table, column, role or function that does not exist."""
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
# Of what this user may grant: a view that somebody else made is theirs to grant.
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


async def granted(connection: AsyncConnection) -> list[str]:
    """Return what was granted of the reporting layer, and taken from everybody, as statements that do it again."""
    return list(await connection.scalars(_GRANTED, {"schema": REPORTING}))


async def restore_grants(connection: AsyncConnection, before: Sequence[str]) -> None:
    """Repeat grants that were lost with the objects that had them, unless those have not come back."""
    now = set(await granted(connection))
    for statement in before:
        if statement not in now:
            await _execute_unless_gone(connection, statement)


async def lacking_grants(connection: AsyncConnection) -> list[str]:
    """Return statements that let readers of the layer read what was added to it, as far as this user may grant it."""
    return list(await connection.scalars(_LACKING, {"schema": REPORTING}))


async def renew_grants(connection: AsyncConnection) -> None:
    """Let readers of the layer read what was added to it."""
    for statement in await lacking_grants(connection):
        await connection.exec_driver_sql(statement)


async def _execute_unless_gone(connection: AsyncConnection, statement: str) -> None:
    try:
        async with connection.begin_nested():
            await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate_of(error) not in _GONE:
            raise
