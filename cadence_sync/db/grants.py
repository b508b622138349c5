"""`grant-reader`: a role that reads the reporting layer and no table behind it."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db import audit
from cadence_sync.db.engine import transaction
from cadence_sync.db.revision import REPORTING, check_migrated
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import NotFoundError, SettingsError
from cadence_sync.ports import Actor

_STATEMENTS: Final = (
    f"REVOKE ALL ON SCHEMA {SCHEMA}, {REPORTING} FROM {{role}}",
    f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA}, {REPORTING} FROM {{role}}",
    f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {SCHEMA} FROM {{role}}",
    f"GRANT USAGE ON SCHEMA {REPORTING} TO {{role}}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA {REPORTING} TO {{role}}",
    f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {REPORTING} TO {{role}}",
)
# Memberships count: SET ROLE gives a role the privileges of all roles that it is a member of.
_REACHES: Final = text("""
    SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN pg_roles AS r
    WHERE n.nspname IN (:tables, :views) AND c.relkind IN ('r', 'p', 'v')
      AND (r.rolname = :role OR pg_has_role(CAST(:role AS name), r.oid, 'MEMBER'))
      AND has_schema_privilege(r.oid, n.oid, 'USAGE')
      AND (has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
           OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
           OR (n.nspname = :tables AND has_any_column_privilege(r.oid, c.oid, 'SELECT')))
    ORDER BY 1 LIMIT 1
""")


async def grant_reader(engine: AsyncEngine, role: str, by: Actor) -> None:
    """Lets a role read `cadence_reporting`, and revokes all its privileges on the tables.

    Raises `NotFoundError` for a role that does not exist, and `SettingsError` where the role can read the tables
    all the same: as a superuser, as their owner, or as a member of another role.
    """
    async with transaction(engine) as connection:
        await check_migrated(connection)
        # Bytes that are not UTF-8 arrive as lone surrogates.
        is_text = role.encode(errors="ignore").decode() == role
        known = text("SELECT true FROM pg_roles WHERE rolname = CAST(:role AS text)")
        if not is_text or not await connection.scalar(known, {"role": role}):
            raise NotFoundError(
                f"There is no role {role!r} in this Postgres.",
                hint="Create it first: CREATE ROLE … LOGIN PASSWORD '…'. Names are taken as they are written.",
            )
        quoted = connection.dialect.identifier_preparer.quote_identifier(role)
        for statement in _STATEMENTS:
            await connection.exec_driver_sql(statement.format(role=quoted))
        reached = await connection.scalar(_REACHES, {"tables": SCHEMA, "views": REPORTING, "role": role})
        if reached is not None:
            raise SettingsError(
                f"The role {role!r} can read or write {reached} whatever is granted here.",
                hint="It is a superuser, the owner, or a member of a role that may; choose another role.",
                code="ROLE_READS_TABLES",
            )
        await audit.enter(connection, by, "grant-reader", "granted", details={"role": role})
