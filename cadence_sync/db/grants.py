"""`grant-reader`: a role that reads the reporting layer, of all organizations or some, and no table behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.config.orgs import unknown_org_error
from cadence_sync.db import audit
from cadence_sync.db.engine import SHORT_LOCKS, open_connection, transaction
from cadence_sync.db.reporting_layer import set_barriers
from cadence_sync.db.revision import REPORTING, check_migrated, load_reporting_layer
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
# The search path of an ordinary session of this user, whatever this one set; a schema "$user" that does not exist may
# be created by who may CREATE in the database. What is granted to PUBLIC is of every role.
_SHADOWS: Final = text("""
    WITH configured AS (
        SELECT setting, 2 * CAST(s.setrole <> 0 AS int) + CAST(s.setdatabase <> 0 AS int) AS rank
        FROM pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS setting
        WHERE s.setrole IN (0, CAST(to_regrole(quote_ident(current_user)) AS oid)) AND setting LIKE 'search\\_path=%'
          AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
        UNION ALL
        SELECT 'search_path=' || boot_val, -1 FROM pg_settings WHERE name = 'search_path'
    ), path AS (
        SELECT DISTINCT replace(btrim(element, ' "'), '$user', current_user) AS schema
        FROM regexp_split_to_table((
            SELECT substr(c.setting, 13) FROM configured AS c ORDER BY c.rank DESC LIMIT 1
        ), ',') AS element
    ), places AS (
        SELECT format('SCHEMA %I', p.schema) AS place, n.nspowner AS owner,
               coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
        FROM path AS p JOIN pg_namespace AS n ON n.nspname = p.schema
        WHERE n.nspname NOT IN ('pg_catalog', 'pg_temp')
        UNION ALL
        SELECT format('DATABASE %I', d.datname), d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
        FROM pg_database AS d
        WHERE d.datname = current_database() AND EXISTS (
            SELECT FROM path AS p WHERE NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = p.schema)
            AND p.schema <> ''
        )
    ), roles (oid, rolname) AS (
        SELECT oid, rolname FROM pg_roles WHERE NOT rolsuper
        UNION ALL
        SELECT 0, 'PUBLIC'
    ), creators AS (
        SELECT p.place, a.grantee, p.owner, a.grantee = p.owner AS owns
        FROM places AS p CROSS JOIN LATERAL aclexplode(p.acl) AS a
        WHERE a.privilege_type = 'CREATE'
    )
    SELECT DISTINCT r.rolname AS role, c.place,
           CASE WHEN c.owns THEN format('ALTER %s OWNER TO %I', c.place, current_user)
                ELSE format('REVOKE CREATE ON %s FROM %s', c.place,
                            CASE WHEN c.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(c.grantee)) END)
           END AS remedy
    FROM creators AS c
    JOIN roles AS r ON c.grantee = 0 OR c.grantee = r.oid OR pg_has_role(r.oid, c.grantee, 'MEMBER')
    WHERE r.rolname = ANY(:roles)
    ORDER BY role, remedy
""")
_READERS: Final = text(f"""
    SELECT DISTINCT r.rolname AS role, l.org_ids
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    JOIN pg_roles AS r ON r.oid = a.grantee
    LEFT JOIN {SCHEMA}.reader_limits AS l ON l.role = r.rolname OR l.role_oid = r.oid
    WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'v' AND a.privilege_type = 'SELECT'
      AND a.grantee <> c.relowner
    ORDER BY role
""")  # noqa: S608 - a constant
_UNLIMIT: Final = text(f"""
    DELETE FROM {SCHEMA}.reader_limits WHERE role = :role OR role_oid = to_regrole(quote_ident(:role))
""")  # noqa: S608 - a constant
_LIMIT: Final = text(f"""
    INSERT INTO {SCHEMA}.reader_limits (role, role_oid, org_ids)
    VALUES (:role, to_regrole(quote_ident(:role)), :orgs)
""")  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Reader:
    """A role that reads the layer; `org_ids` is None where it reads all organizations."""

    role: str
    org_ids: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Shadowing:
    """A role that may create objects on the search path, and the statement that takes that away."""

    role: str
    place: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Readers:
    readers: Sequence[Reader]
    shadowing: Sequence[Shadowing]
    is_superuser: bool
    """Whether the user of this connection is one."""


async def grant_reader(engine: AsyncEngine, role: str, by: Actor, orgs: Sequence[str] = ()) -> None:
    """Lets a role read `cadence_reporting`, of all organizations or of these, and revokes all it has on the tables.

    Raises `NotFoundError` for a role that does not exist, and `SettingsError` for an organization that does not,
    where the role can read the tables all the same (as a superuser, as their owner, or as a member of another role),
    and where it may create objects on the search path of this user.
    """
    async with transaction(engine) as connection:
        await check_migrated(connection)
        await connection.exec_driver_sql(SHORT_LOCKS)
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
        await _refuse_other_rights(connection, role)
        await _limit(connection, role, orgs)
        details = {"role": role, "orgs": sorted(set(orgs)) or None}
        await audit.enter(connection, by, "grant-reader", "granted", details=details)


async def _refuse_other_rights(connection: AsyncConnection, role: str) -> None:
    reached = await connection.scalar(_REACHES, {"tables": SCHEMA, "views": REPORTING, "role": role})
    if reached is not None:
        raise SettingsError(
            f"The role {role!r} can read or write {reached} whatever is granted here.",
            hint="It is a superuser, the owner, or a member of a role that may; choose another role.",
            code="ROLE_READS_TABLES",
        )
    shadowing = await _load_shadowing(connection, [role])
    if shadowing:
        places = ", ".join(sorted({each.place for each in shadowing}))
        remedies = "; ".join(each.remedy for each in shadowing)
        raise SettingsError(
            f"The role {role!r} may create objects on the search path of cadence-sync's database user: {places}.",
            hint=f"They could run with that user's rights. Run: {remedies}; then grant again.",
            code="ROLE_MAY_SHADOW",
        )


async def _limit(connection: AsyncConnection, role: str, orgs: Sequence[str]) -> None:
    known = set(await connection.scalars(text(f"SELECT org_id FROM {SCHEMA}.orgs")))  # noqa: S608 - a constant
    for org_id in orgs:
        if org_id not in known:
            raise unknown_org_error(org_id, sorted(known))
    await connection.execute(_UNLIMIT, {"role": role})
    if orgs:
        await connection.execute(_LIMIT, {"role": role, "orgs": sorted(set(orgs))})
    await set_barriers(connection, load_reporting_layer())


async def _load_shadowing(connection: AsyncConnection, roles: Sequence[str]) -> list[Shadowing]:
    found: Any = (await connection.execute(_SHADOWS, {"roles": list(roles)})).mappings()
    return [Shadowing(**each) for each in found]


async def load_readers(engine: AsyncEngine) -> Readers:
    """Returns the readers, who of them or PUBLIC could shadow names, and whether this user is a superuser."""
    async with open_connection(engine) as connection:
        found = (await connection.execute(_READERS, {"schema": REPORTING})).mappings()
        readers = [Reader(**each) for each in found]
        shadowing = await _load_shadowing(connection, ["PUBLIC", *(each.role for each in readers)])
        is_superuser = await connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    return Readers(readers, shadowing, bool(is_superuser))
