"""Proves that the stored history is complete and consistent."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.canonical import canonical_value, from_document
from cadence_sync.core.decode import decode_record
from cadence_sync.core.diff import Kind
from cadence_sync.core.fields import FIELDS, UNENROLL, FieldType
from cadence_sync.core.records import Config, QuarantinedRecord
from cadence_sync.db.columns import CADENCE_FIELDS, EXECUTION_FIELDS, SUMMARY_FIELDS
from cadence_sync.db.engine import open_connection
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables.history import cadence_changes, cadence_versions, discovered_fields

_TYPES: Final = {
    FieldType.FLAG: "boolean",
    FieldType.COUNT: "integer",
    FieldType.INSTANT: "timestamptz",
    FieldType.DAY: "date",
}


def _differs(table: str, column: str, path: str) -> str:
    kind = _TYPES.get(FIELDS[path])
    cast = f"::{kind}" if kind else ""
    known = f"coalesce(l.fields ->> '{path}', v.document #>> '{{{path.replace('.', ',')}}}')"
    return f"({known}){cast} IS DISTINCT FROM {table}.{column}"


def _current() -> str:
    named = [("c", CADENCE_FIELDS), ("s", SUMMARY_FIELDS), ("e", EXECUTION_FIELDS)]
    differences = [_differs(table, column, path) for table, leaves in named for column, path in leaves.items()]
    as_object = f"jsonb_typeof(v.document #> '{{{UNENROLL.replace('.', ',')}}}') IS DISTINCT FROM 'array'"
    rules = [("unenroll_type", f"{UNENROLL}.type"), ("unenroll_end_date", f"{UNENROLL}.end_date")]
    differences += [f"({as_object} AND {_differs('e', column, path)})" for column, path in rules]
    return f"""
        SELECT c.org_id, c.cadence_id, c.version
        FROM cadence_sync.cadences AS c
        JOIN cadence_sync.cadence_versions AS v USING (org_id, cadence_id, version)
        LEFT JOIN cadence_sync.follow_up_summaries AS s USING (org_id, cadence_id)
        LEFT JOIN cadence_sync.execution_details AS e USING (org_id, cadence_id)
        LEFT JOIN (
            SELECT org_id, cadence_id, version, jsonb_object_agg(field, value) AS fields
            FROM cadence_sync.discovered_fields GROUP BY org_id, cadence_id, version
        ) AS l USING (org_id, cadence_id, version)
        WHERE {" OR ".join(differences)}
    """  # noqa: S608 - built from the names of our own columns


INVARIANTS: Final = {
    "every history is one unbroken chain, numbered from 1 and open at its end": """
        SELECT org_id, cadence_id, version FROM (
            SELECT org_id, cadence_id, version, valid_from, valid_to,
                   row_number() OVER chain AS place,
                   lead(valid_from) OVER chain AS next_from
            FROM cadence_sync.cadence_versions
            WINDOW chain AS (PARTITION BY org_id, cadence_id ORDER BY version)
        ) AS versions
        WHERE version <> place OR valid_to IS DISTINCT FROM next_from OR valid_to <= valid_from
    """,
    "every current row names the open version, and is deleted exactly if that one is": """
        SELECT org_id, cadence_id, v.version
        FROM cadence_sync.cadences AS c
        FULL JOIN (SELECT * FROM cadence_sync.cadence_versions WHERE valid_to IS NULL) AS v USING (org_id, cadence_id)
        WHERE c.version IS DISTINCT FROM v.version
           OR (c.deleted_at IS NOT NULL) IS DISTINCT FROM (v.kind = 'deleted')
           OR c.last_changed_at <> v.valid_from OR c.deleted_at <> v.valid_from
    """,
    "every current row says what its open version says": _current(),
    "every version has the changes that its kind demands": """
        SELECT v.org_id, v.cadence_id, v.version
        FROM cadence_sync.cadence_versions AS v
        LEFT JOIN cadence_sync.cadence_changes AS c USING (org_id, cadence_id, version)
        GROUP BY v.org_id, v.cadence_id, v.version
        HAVING NOT CASE v.kind
            WHEN 'baseline' THEN count(c.field) = 0
            WHEN 'updated' THEN count(c.field) > 0 AND count(*) FILTER (WHERE c.field = '*') = 0
                AND count(*) FILTER (WHERE c.old_value IS NOT DISTINCT FROM c.new_value) = 0
            ELSE count(c.field) = 1 AND count(*) FILTER (WHERE c.field = '*') = 1
        END OR count(*) FILTER (WHERE c.kind <> v.kind OR c.changed_at <> v.valid_from OR c.run_id <> v.run_id) > 0
    """,
    "every version was written by a run that was applied": """
        SELECT v.org_id, v.cadence_id, v.version
        FROM cadence_sync.cadence_versions AS v LEFT JOIN cadence_sync.sync_runs AS r USING (org_id, run_id)
        WHERE r.outcome IS NULL OR r.outcome = 'failed'
    """,
    "every field that became known did so after its version began, in a run that was applied": """
        SELECT l.org_id, l.cadence_id, l.version
        FROM cadence_sync.discovered_fields AS l
        JOIN cadence_sync.cadence_versions AS v USING (org_id, cadence_id, version)
        LEFT JOIN cadence_sync.sync_runs AS r ON r.org_id = l.org_id AND r.run_id = l.run_id
        WHERE v.kind = 'deleted' OR (l.run_id IS NOT NULL AND (
            r.outcome IS NULL OR r.outcome = 'failed' OR l.run_id <= v.run_id
        ))
    """,
    "every run's counters are what it wrote": """
        SELECT r.org_id, NULL AS cadence_id, r.run_id AS version
        FROM cadence_sync.sync_runs AS r
        LEFT JOIN (
            SELECT org_id, run_id,
                   count(*) FILTER (WHERE kind = 'baseline') AS baseline,
                   count(*) FILTER (WHERE kind = 'created') AS created,
                   count(*) FILTER (WHERE kind = 'updated') AS updated,
                   count(*) FILTER (WHERE kind = 'deleted') AS deleted,
                   count(*) FILTER (WHERE kind = 'restored') AS restored
            FROM cadence_sync.cadence_versions GROUP BY org_id, run_id
        ) AS w USING (org_id, run_id)
        LEFT JOIN (
            SELECT org_id, run_id,
                   count(*) FILTER (WHERE cadence_id IS NULL) + count(DISTINCT cadence_id) AS quarantined
            FROM cadence_sync.quarantined_records GROUP BY org_id, run_id
        ) AS q USING (org_id, run_id)
        WHERE (r.baseline, r.created, r.updated, r.deleted, r.restored, r.quarantined) <>
              (coalesce(w.baseline, 0), coalesce(w.created, 0), coalesce(w.updated, 0), coalesce(w.deleted, 0),
               coalesce(w.restored, 0), coalesce(q.quarantined, 0))
    """,
}
"""Invariant → SQL for (org_id, cadence_id, version) of each exception."""
REBUILDS: Final = "every version's changes rebuild it from its predecessor"
RECORDS: Final = "every version and its author are those of the record that Zoho sent"

_RECORDS: Final = text("""
    SELECT v.org_id, v.cadence_id, v.version, v.kind, v.document, v.raw::text AS raw, c.authors
    FROM cadence_sync.cadence_versions AS v CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(c.changed_by_id, c.changed_by_name)), '[]') AS authors
        FROM cadence_sync.cadence_changes AS c
        WHERE (c.org_id, c.cadence_id, c.version) = (v.org_id, v.cadence_id, v.version)
    ) AS c
    ORDER BY v.org_id, v.cadence_id, v.version
""")

_Place: TypeAlias = tuple[str, str | None, int]
"""An organization, a cadence and a version; for counters None and a run."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    exceptions: list[_Place]

    @property
    def ok(self) -> bool:
        return not self.exceptions


async def examine(engine: AsyncEngine) -> list[Finding]:
    """Checks everything in one snapshot of the database; costs a pass over the whole history."""
    async with open_connection(engine) as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        await check_migrated(connection)
        findings = [
            Finding(what, [(row[0], row[1], row[2]) for row in await connection.execute(text(sql))])
            for what, sql in INVARIANTS.items()
        ]
        rebuilt = Finding(REBUILDS, await _not_rebuilt(connection))
        return [*findings, rebuilt, Finding(RECORDS, await _other_than_raw(connection))]


async def _not_rebuilt(connection: AsyncConnection) -> list[_Place]:
    """Applies each version's changes to the version before it, with the fields that were discovered since."""
    versions, key = cadence_versions.c, ("org_id", "cadence_id", "version")
    written = await _by_version(
        connection, select(cadence_changes).where(cadence_changes.c.kind == "updated"), "new_value"
    )
    discovered = await _by_version(connection, select(discovered_fields), "value")
    statement = select(versions.org_id, versions.cadence_id, versions.version, versions.kind, versions.document)
    wrong: list[_Place] = []
    known: Config = {}
    async with connection.stream(statement.order_by(*(versions[name] for name in key))) as rows:
        async for row in rows.mappings():
            place = (row["org_id"], row["cadence_id"], row["version"])
            now = from_document(row["document"])
            # A restored cadence may differ freely.
            if row["version"] > 1 and row["kind"] != "restored" and not _follows(known, now, written.get(place, {})):
                wrong.append(place)
            known = now | discovered.get(place, {})
    return wrong


async def _other_than_raw(connection: AsyncConnection) -> list[_Place]:
    """Decodes each version's record again, some 5,000 a second, and compares it with what is stored of it."""
    async with connection.stream(_RECORDS) as rows:
        return [
            (row["org_id"], row["cadence_id"], row["version"])
            async for row in rows.mappings()
            if not _is_of_record(row["kind"], row["document"], row["raw"], row["authors"])
        ]


def _is_of_record(kind: str, document: dict[str, object], raw: str | None, authors: list[list[str | None]]) -> bool:
    """Of a person who was redacted, record and changes have the same word in place of the name."""
    if raw is None or kind == Kind.DELETED:
        return raw is None and kind == Kind.DELETED and all(author == [None, None] for author in authors)
    record = decode_record(raw.encode())
    if isinstance(record, QuarantinedRecord):
        return False
    # A key that Zoho did not send keeps its former value in the document.
    known, role = from_document(document), "created_by" if kind == Kind.CREATED else "modified_by"
    sent = all(
        path in known and canonical_value(known[path]) == canonical_value(v) for path, v in record.config.items()
    )
    author = [record.config.get(f"{role}.id"), record.labels.get(f"{role}.name")]
    return sent and all(each in ([None, None], author) for each in authors)


async def _by_version(connection: AsyncConnection, statement: Select[Any], value: str) -> dict[_Place, Config]:
    found: dict[_Place, Config] = {}
    for row in (await connection.execute(statement)).mappings():
        found.setdefault((row["org_id"], row["cadence_id"], row["version"]), {})[row["field"]] = row[value]
    return found


def _follows(known: Config, now: Config, changes: Config) -> bool:
    expected = known | changes
    return all(path in now and canonical_value(now[path]) == canonical_value(expected[path]) for path in known)
