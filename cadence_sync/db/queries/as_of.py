"""The past: cadences as they were at a time, and what differs between two times or two organizations.

The version of a time is looked up cadence by cadence along the chain's index: an organization may have hundreds of
versions of each. What is known of the versions comes from `cadence_reporting`, and the answers are those of its
`cadences_as_of` and `cadence_diff`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.fields import LABELS
from cadence_sync.core.labels import Axis
from cadence_sync.core.records import FieldChange
from cadence_sync.db.scope import OrgScope, in_scope


@dataclass(frozen=True, slots=True)
class PastQuery:
    """Which cadences of a past are listed; `columns` are those of `cadences_as_of`, or `unenroll_properties`."""

    at: datetime
    axis: Axis
    columns: Sequence[str]
    scope: OrgScope
    words: str | None = None
    limit: int | None = None
    offset: int = 0

    @property
    def values(self) -> dict[str, Any]:
        """Returns the parameters of what is picked."""
        return {"at": self.at, "axis": self.axis, "words": self.words} | self.scope.values


@dataclass(frozen=True, slots=True)
class Difference:
    """A cadence that differs between two times; `kind` is `created`, `baseline`, `restored` and so on."""

    org_id: str
    cadence_id: str
    name: str | None
    kind: str
    from_version: int | None
    to_version: int | None
    fields: tuple[FieldChange, ...] = ()

    @property
    def versions(self) -> tuple[int | None, int | None]:
        return self.from_version, self.to_version


# The chain has no gaps: the version of a time is the first that ends after it, if it has begun by then. The search
# starts at the nearer end. What had been seen by a time is that version or an older one; or, where a clock was set
# back, one that was seen before it was valid, for which there is an index of hardly any rows.
_PICKED: Final = """
    SELECT c.org_id, c.cadence_id, v.version, v.kind
    FROM cadence_sync.cadences AS c
    JOIN cadence_sync.orgs AS o ON o.org_id = c.org_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN {at} > o.first_listed_at + (now() - o.first_listed_at) / 2
        THEN coalesce((
            SELECT n.version + 1 FROM cadence_sync.cadence_versions AS n
            WHERE n.org_id = c.org_id AND n.cadence_id = c.cadence_id AND n.valid_to <= {at}
            ORDER BY n.version DESC LIMIT 1
        ), 1)
        ELSE (
            SELECT n.version FROM cadence_sync.cadence_versions AS n
            WHERE n.org_id = c.org_id AND n.cadence_id = c.cadence_id AND (n.valid_to > {at} OR n.valid_to IS NULL)
            ORDER BY n.version LIMIT 1
        ) END AS version
    ) AS first
    CROSS JOIN LATERAL ({seen}) AS v
    WHERE {where}
"""
_ORG: Final = f"""
    {in_scope("c.org_id")}
    AND (CAST(:org AS text) IS NULL OR (SELECT cadence_reporting.checked_org(:org)) IS NOT NULL)
"""
_SEEN: Final = {
    Axis.VALID: """
        SELECT n.version, n.kind FROM cadence_sync.cadence_versions AS n
        WHERE n.org_id = c.org_id AND n.cadence_id = c.cadence_id
          AND n.version = first.version AND n.valid_from <= {at}
    """,
    Axis.OBSERVED: """
        (SELECT n.version, n.kind FROM cadence_sync.cadence_versions AS n
         WHERE n.org_id = c.org_id AND n.cadence_id = c.cadence_id
           AND n.version <= first.version AND n.observed_at <= {at}
         ORDER BY n.version DESC LIMIT 1)
        UNION ALL
        (SELECT n.version, n.kind FROM cadence_sync.cadence_versions AS n
         WHERE n.org_id = c.org_id AND n.cadence_id = c.cadence_id
           AND n.observed_at < n.valid_from AND n.observed_at <= {at}
         ORDER BY n.version DESC LIMIT 1)
        ORDER BY version DESC LIMIT 1
    """,
}
_NAMED: Final = """
    (CAST(:words AS text) IS NULL OR strpos(lower(h.name), lower(:words)) > 0 OR h.cadence_id = :words)
"""
_LIST: Final = """
    WITH picked AS MATERIALIZED ({picked} AND v.kind <> 'deleted'), known AS NOT MATERIALIZED (
        SELECT h.*, h.document #> '{{execution_details,unenroll_properties}}' AS unenroll_properties
        FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis)) AS h
    ),
    page AS MATERIALIZED (
        SELECT h.org_id, h.cadence_id, h.version, count(*) OVER () AS total
        FROM picked JOIN known AS h USING (org_id, cadence_id, version)
        WHERE {named}
        ORDER BY lower(h.name), h.org_id, h.cadence_id
        LIMIT :limit OFFSET :offset
    )
    SELECT {columns}, page.total
    FROM page JOIN known AS h USING (org_id, cadence_id, version)
    ORDER BY lower(h.name), h.org_id, h.cadence_id
"""
BATCH: Final = 500
"""Cadences that an export reads at once."""
_KEYS: Final = """
    WITH picked AS MATERIALIZED ({picked} AND v.kind <> 'deleted'), known AS NOT MATERIALIZED (
        SELECT * FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis))
    ),
    listed AS (
        SELECT json_build_array(h.org_id, h.cadence_id, h.version) AS key,
               row_number() OVER (ORDER BY lower(h.name), h.org_id, h.cadence_id) AS place
        FROM picked JOIN known AS h USING (org_id, cadence_id, version)
        WHERE {named}
    )
    SELECT CAST(json_agg(key ORDER BY place) AS text) FROM listed
    GROUP BY (place - 1) / {batch} ORDER BY (place - 1) / {batch}
"""
_OF_KEYS: Final = """
    WITH wanted AS MATERIALIZED (
        SELECT key ->> 0 AS org_id, key ->> 1 AS cadence_id, CAST(key ->> 2 AS integer) AS version, place
        FROM json_array_elements(CAST(:keys AS json)) WITH ORDINALITY AS each (key, place)
    )
    SELECT {columns}
    FROM wanted JOIN cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis)) AS h
        USING (org_id, cadence_id, version)
    ORDER BY wanted.place
"""
_DIFFERENT: Final = """
    WITH earlier AS MATERIALIZED ({earlier} AND v.kind <> 'deleted'),
    later AS MATERIALIZED ({later} AND v.kind <> 'deleted'),
    changed AS MATERIALIZED (
        SELECT org_id, cadence_id, b.version AS from_version, a.version AS to_version
        FROM earlier AS b FULL JOIN later AS a USING (org_id, cadence_id)
        JOIN cadence_sync.orgs AS o USING (org_id)
        WHERE b.version IS DISTINCT FROM a.version AND o.first_listed_at <= :from_at
    )
    SELECT m.org_id, m.cadence_id, m.from_version, m.to_version,
           CASE WHEN (CASE :axis WHEN 'valid' THEN first.valid_from ELSE first.observed_at END) <= :from_at
                THEN 'restored' ELSE first.kind END AS came,
           b.document AS before, a.document AS after
    FROM changed AS m
    JOIN cadence_sync.cadence_versions AS first
      ON first.org_id = m.org_id AND first.cadence_id = m.cadence_id AND first.version = 1
    LEFT JOIN LATERAL (
        SELECT h.document FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(:from_at, :axis)) AS h
        WHERE h.org_id = m.org_id AND h.cadence_id = m.cadence_id AND h.version = m.from_version
    ) AS b ON true
    LEFT JOIN LATERAL (
        SELECT h.document FROM cadence_reporting.history_known_by(cadence_reporting.seen_by(:to_at, :axis)) AS h
        WHERE h.org_id = m.org_id AND h.cadence_id = m.cadence_id AND h.version = m.to_version
    ) AS a ON true
"""
_COMPARISON: Final = text("""
    SELECT * FROM cadence_reporting.compare_orgs(:left_org, :right_org, :at, :axis)
    ORDER BY name COLLATE "C", left_cadence_id COLLATE "C", right_cadence_id COLLATE "C", field COLLATE "C"
""")
_NAMES: Final = text("""
    SELECT v.org_id, v.cadence_id, v.version,
           v.module_api_name, v.custom_view_name, v.created_by_name, v.modified_by_name
    FROM unnest(CAST(:orgs AS text[]), CAST(:cadences AS text[]), CAST(:versions AS integer[]))
        AS wanted (org_id, cadence_id, version)
    JOIN cadence_reporting.stored_versions AS v USING (org_id, cadence_id, version)
""")
_CHECKED: Final = text("SELECT cadence_reporting.checked_time(:at)")


async def check_time(connection: AsyncConnection, at: datetime) -> None:
    """Raises `ArgumentError` for a time in the future of the database's clock."""
    await connection.execute(_CHECKED, {"at": at})


async def list_as_of(connection: AsyncConnection, query: PastQuery) -> tuple[Sequence[Row[Any]], int]:
    columns = ", ".join(f"h.{name}" for name in query.columns)
    values = query.values | {"limit": query.limit, "offset": query.offset}
    statement = text(_LIST.format(picked=pick_versions(query.axis, ":at"), columns=columns, named=_NAMED))
    rows = (await connection.execute(statement.columns(unenroll_properties=JSONB), values)).all()
    return rows, (rows[0].total if rows else 0)


async def load_keys(connection: AsyncConnection, query: PastQuery) -> Sequence[str]:
    """Loads the keys of the whole list, in its order, as JSON arrays of at most `BATCH`; `limit` is not heeded."""
    statement = text(_KEYS.format(picked=pick_versions(query.axis, ":at"), named=_NAMED, batch=BATCH))
    return (await connection.scalars(statement, query.values)).all()


async def load_listed(connection: AsyncConnection, query: PastQuery, keys: str) -> Sequence[Row[Any]]:
    """Loads the rows of `load_keys`, in the same order; they do not change, except that a person may be redacted."""
    statement = text(_OF_KEYS.format(columns=", ".join(f"h.{name}" for name in query.columns)))
    return (await connection.execute(statement, {"keys": keys, "at": query.at, "axis": query.axis})).all()


async def compare_times(
    connection: AsyncConnection, from_at: datetime, to_at: datetime, axis: Axis, scope: OrgScope
) -> list[Difference]:
    """Returns what differs between two times, by name; what was changed and changed back is left out."""
    earlier, later = (pick_versions(axis, time) for time in (":from_at", ":to_at"))
    statement = text(_DIFFERENT.format(earlier=earlier, later=later)).columns(before=JSONB, after=JSONB)
    values = {"from_at": from_at, "to_at": to_at, "axis": axis} | scope.values
    found = [_difference(row) for row in await connection.execute(statement, values)]
    different = [each for each in found if each.kind != "updated" or each.fields]
    return sorted(different, key=lambda each: ((each.name or "").casefold(), each.org_id, each.cadence_id))


async def add_labels(connection: AsyncConnection, differences: Sequence[Difference]) -> list[Difference]:
    wanted = [
        (each.org_id, each.cadence_id, version)
        for each in differences
        if any(change.field in LABELS.values() for change in each.fields)
        for version in each.versions
    ]
    if not wanted:
        return list(differences)
    org_ids, cadence_ids, versions = (list(column) for column in zip(*wanted, strict=True))
    rows = await connection.execute(_NAMES, {"orgs": org_ids, "cadences": cadence_ids, "versions": versions})
    names = {(row.org_id, row.cadence_id, row.version): read_labels(row) for row in rows}
    return [_with_labels(each, names) for each in differences]


async def compare_orgs(
    connection: AsyncConnection, left_org: str, right_org: str, at: datetime, axis: Axis
) -> Sequence[RowMapping]:
    """Returns a row for each field that differs between cadences of one name, `*` for a cadence of only one side."""
    values = {"left_org": left_org, "right_org": right_org, "at": at, "axis": axis}
    return (await connection.execute(_COMPARISON, values)).mappings().all()


def pick_versions(axis: Axis, at: str, where: str = _ORG) -> str:
    """Builds the query for the version of each cadence at a time; `at` names the time's parameter."""
    return _PICKED.format(at=at, seen=_SEEN[axis].format(at=at), where=where)


def read_labels(row: Row[Any]) -> dict[str, str | None]:
    return {id_path: getattr(row, name.replace(".", "_")) for name, id_path in LABELS.items()}


def _difference(row: Row[Any]) -> Difference:
    before = None if row.before is None else from_document(row.before)
    after = None if row.after is None else from_document(row.after)
    name = next((config["name"] for config in (after, before) if config and config.get("name") is not None), None)
    key = (row.org_id, row.cadence_id, None if name is None else str(name))
    versions = (row.from_version, row.to_version)
    if before is None or after is None:
        return Difference(*key, row.came if before is None else "deleted", *versions)
    return Difference(*key, "updated", *versions, tuple(changed_fields(before, after)))


def _with_labels(each: Difference, names: dict[Any, dict[str, str | None]]) -> Difference:
    old, new = (names.get((each.org_id, each.cadence_id, version), {}) for version in each.versions)
    fields: Iterable[FieldChange] = (
        change._replace(old_label=old.get(change.field), new_label=new.get(change.field)) for change in each.fields
    )
    return replace(each, fields=tuple(fields))
