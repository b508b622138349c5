"""What a user must be granted before `migrate` can do what there is to do."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.migration_files import REPORTING
from cadence_sync.db.tables import SCHEMA
from cadence_sync.errors import DatabaseError

_MISSING: Final = text("""
    WITH wanted AS (
        SELECT s.name, n.oid, n.nspowner FROM unnest(CAST(:schemas AS text[])) AS s (name)
        LEFT JOIN pg_namespace AS n ON n.nspname = s.name
    ), owned AS (
        SELECT c.relowner AS owner, format('%I.%I', w.name, c.relname) AS name
        FROM wanted AS w JOIN pg_class AS c ON c.relnamespace = w.oid
        WHERE c.relkind IN ('r', 'p', 'v', 'S') AND (w.name <> :reporting OR c.relname = ANY(:views))
        UNION ALL
        SELECT p.proowner, format('%I.%I', w.name, p.proname)
        FROM wanted AS w JOIN pg_proc AS p ON p.pronamespace = w.oid
        WHERE w.name <> :reporting OR p.proname = ANY(:routines)
        UNION ALL
        -- Where `migrate` notes which layer it applied.
        SELECT c.relowner, format('%I.%I', n.nspname, c.relname)
        FROM wanted AS w JOIN pg_class AS c ON c.relname = 'reporting_layer'
        JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = :tables
        WHERE w.name = :reporting
    )
    SELECT format('CREATE on the database %I', current_database()) AS privilege,
           format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) AS statement
    FROM wanted AS w
    WHERE w.oid IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
    UNION
    SELECT format('%s on the schema %I', p.privilege, w.name),
           format('GRANT %s ON SCHEMA %I TO %I', p.privilege, w.name, current_user)
    FROM wanted AS w CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) AS p (privilege)
    WHERE NOT has_schema_privilege(w.oid, p.privilege)
    UNION
    SELECT format('ownership of %s', min(o.name)),
           format('GRANT %I TO %I', pg_get_userbyid(o.owner), current_user)
    FROM owned AS o
    WHERE NOT pg_has_role(o.owner, 'USAGE')
    GROUP BY o.owner
    ORDER BY statement
""")


class MissingRight(NamedTuple):
    """A right that the user lacks, and the statement that grants it."""

    privilege: str
    statement: str


async def missing_rights(
    connection: AsyncConnection, schemas: Sequence[str], views: Sequence[str], routines: Sequence[str]
) -> list[MissingRight]:
    """Return what the user lacks to create and alter the objects of these schemas.

    A schema that exists needs USAGE and CREATE on it, one that does not needs CREATE on the database. Of the reporting
    schema, which may hold objects of users, only those that are named count.
    """
    names = {"schemas": list(schemas), "views": list(views), "routines": list(routines)}
    rows = await connection.execute(_MISSING, {"tables": SCHEMA, "reporting": REPORTING} | names)
    return [MissingRight(*row) for row in rows]


async def check_rights(
    connection: AsyncConnection, schemas: Sequence[str], views: Sequence[str], routines: Sequence[str]
) -> None:
    """Raise `DatabaseError` with the statements that are needed, unless `migrate` may alter these schemas."""
    missing = await missing_rights(connection, schemas, views, routines)
    if missing:
        lacking = ", ".join(each.privilege for each in missing)
        grants = "; ".join(each.statement for each in missing)
        raise DatabaseError(
            f"The database user may not migrate: it lacks {lacking}.",
            hint=f"Let an administrator run: {grants}; then run `cadence-sync migrate`. Nothing was changed.",
            code="DATABASE_PERMISSION",
        )
