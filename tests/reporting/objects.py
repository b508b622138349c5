"""Every view and routine of the reporting layer as a query, found in the catalog."""

import asyncpg

_OBJECTS = """
    SELECT c.relname AS name, NULL::text[] AS names, 'v' AS kind FROM pg_class AS c
    WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND c.relkind = 'v'
    UNION ALL
    SELECT p.proname, p.proargnames[1:p.pronargs], p.prokind::text FROM pg_proc AS p
    WHERE p.pronamespace = 'cadence_reporting'::regnamespace
    ORDER BY name
"""
_RULES = """'[{"id": 71, "type": "end_date", "details": {"unenroll_date": "2026-12-31"}}]'::jsonb"""
_DOCUMENT = f"""'{{"name": "a", "execution_details": {{"unenroll_properties": {_RULES[1:-8]}}}}}'::jsonb"""
_ARGUMENTS = {
    "at": "now()",
    "axis": "'valid'",
    "document": _DOCUMENT,
    "field": "'execution_details.type'",
    "from_at": "'2026-07-01Z'",
    "known": "NULL",
    "left_org": "'{org}'",
    "org": "'{org}'",
    "period": "'days'",
    "properties": _RULES,
    "right_org": "'{other}'",
    "rules": _RULES,
    "to_at": "now()",
    "unit": "2",
    "value": _RULES,
    "with_ids": "false",
}


async def calls(connection: asyncpg.Connection, org: str = "production", other: str = "sandbox") -> dict[str, str]:
    """Return a query for each; a parameter that has no argument here is a `KeyError`."""
    statements = {}
    for name, names, kind in await connection.fetch(_OBJECTS):
        called = f"cadence_reporting.{name}"
        if kind != "v":
            arguments = (_ARGUMENTS[each] for each in names)
            called += f"({', '.join(arguments)})".replace("{org}", org).replace("{other}", other)
        statements[name] = f"SELECT {called}" if kind == "a" else f"SELECT * FROM {called}"
    return statements
