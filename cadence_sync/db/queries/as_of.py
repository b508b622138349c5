"""Any past: all cadences as they were at a time, and what differs between two times.

The versions of a time are looked up cadence by cadence along the chain's index: an organization may have hundreds of
each. What is known of them comes from `cadence_reporting`, and the answers are those of its `cadences_as_of` and
`cadence_diff`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.fields import LABELS
from cadence_sync.db.queries.changes import EditedField


class Axis(StrEnum):
    """When it was so in Zoho, as well as is known; or what had been seen by then."""

    VALID = "valid"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True)
class CadenceAsOf:
    """A cadence as it was."""

    org_id: str
    cadence_id: str
    version: int
    name: str | None
    type: str | None
    status: str | None
    active: bool | None
    published: bool | None
    module_id: str | None
    module_api_name: str | None
    custom_view_id: str | None
    custom_view_name: str | None
    follow_up_count: int | None
    execution_interval: str | None
    created_time: datetime | None
    created_by_id: str | None
    created_by_name: str | None
    modified_time: datetime | None
    modified_by_id: str | None
    modified_by_name: str | None
    last_changed_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """A cadence that is not the same at two times; `kind` is `created`, `baseline`, `restored` and so on."""

    org_id: str
    cadence_id: str
    name: str | None
    kind: str
    from_version: int | None
    to_version: int | None
    fields: tuple[EditedField, ...]


# The chain has no gaps: the version of a time is the first that ends after it, if it has begun by then. It is looked
# for from the nearer end. What had been seen by a time is that version or an older one; or, where a clock was set back,
# one that was seen before it was valid, for which there is an index of hardly any rows.
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
    WHERE (:org = '' OR c.org_id = :org)
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
_LIST: Final = """
    WITH picked AS MATERIALIZED ({picked} AND v.kind <> 'deleted'),
    page AS MATERIALIZED (
        SELECT h.org_id, h.cadence_id, h.version, count(*) OVER () AS total
        FROM picked
        JOIN cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis)) AS h
          USING (org_id, cadence_id, version)
        WHERE :text = '' OR strpos(lower(h.name), lower(:text)) > 0 OR h.cadence_id = :text
        ORDER BY lower(h.name), h.org_id, h.cadence_id
        LIMIT :limit OFFSET :offset
    )
    SELECT page.total, {columns}
    FROM page
    JOIN cadence_reporting.history_known_by(cadence_reporting.seen_by(:at, :axis)) AS h
      USING (org_id, cadence_id, version)
    ORDER BY lower(h.name), h.org_id, h.cadence_id
"""
_DIFFERENT: Final = """
    WITH earlier AS MATERIALIZED ({earlier} AND v.kind <> 'deleted'),
    later AS MATERIALIZED ({later} AND v.kind <> 'deleted'),
    moved AS MATERIALIZED (
        SELECT org_id, cadence_id, b.version AS from_version, a.version AS to_version
        FROM earlier AS b FULL JOIN later AS a USING (org_id, cadence_id)
        JOIN cadence_sync.orgs AS o USING (org_id)
        WHERE b.version IS DISTINCT FROM a.version AND o.first_listed_at <= :from_at
    )
    SELECT m.org_id, m.cadence_id, m.from_version, m.to_version,
           CASE WHEN (CASE :axis WHEN 'valid' THEN first.valid_from ELSE first.observed_at END) <= :from_at
                THEN 'restored' ELSE first.kind END AS came,
           b.document AS before, a.document AS after
    FROM moved AS m
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
_NAMES: Final = text("""
    SELECT v.org_id, v.cadence_id, v.version,
           v.module_api_name, v.custom_view_name, v.created_by_name, v.modified_by_name
    FROM unnest(CAST(:orgs AS text[]), CAST(:cadences AS text[]), CAST(:versions AS integer[]))
        AS wanted (org_id, cadence_id, version)
    JOIN cadence_reporting.stored_versions AS v USING (org_id, cadence_id, version)
""")


async def as_of(
    connection: AsyncConnection, at: datetime, axis: Axis, org: str, words: str, limit: int | None, offset: int
) -> tuple[list[CadenceAsOf], int]:
    """Return a page of the cadences of that time, by name, and how many there were."""
    columns = ", ".join(f"h.{name}" for name in CadenceAsOf.__slots__)
    statement = text(_LIST.format(picked=_picked(axis, ":at"), columns=columns))
    values = {"at": at, "axis": str(axis), "org": org, "text": words, "limit": limit, "offset": offset}
    rows = (await connection.execute(statement, values)).all()
    return [CadenceAsOf(*row[1:]) for row in rows], (rows[0].total if rows else 0)


async def difference(
    connection: AsyncConnection, from_at: datetime, to_at: datetime, axis: Axis, org: str
) -> list[Difference]:
    """Return what is not the same at two times, by name; what was changed and changed back is not among it."""
    statement = text(_DIFFERENT.format(earlier=_picked(axis, ":from_at"), later=_picked(axis, ":to_at"))).columns(
        before=JSONB, after=JSONB
    )
    values = {"from_at": from_at, "to_at": to_at, "axis": str(axis), "org": org}
    found = [_difference(row) for row in await connection.execute(statement, values)]
    different = [each for each in found if each.kind != "updated" or each.fields]
    return sorted(different, key=lambda each: ((each.name or "").casefold(), each.org_id, each.cadence_id))


async def named(connection: AsyncConnection, differences: list[Difference]) -> list[Difference]:
    """Return the same with the names that ids had at both times."""
    wanted = [
        (each.org_id, each.cadence_id, version)
        for each in differences
        if any(field.field in LABELS.values() for field in each.fields)
        for version in (each.from_version, each.to_version)
    ]
    if not wanted:
        return differences
    keys = dict(
        zip(("orgs", "cadences", "versions"), (list(column) for column in zip(*wanted, strict=True)), strict=True)
    )
    names = {
        (row.org_id, row.cadence_id, row.version): dict(zip(_NAMED, row[3:], strict=True))
        for row in await connection.execute(_NAMES, keys)
    }
    return [_named(each, names) for each in differences]


_NAMED: Final = ("module.id", "custom_view.id", "created_by.id", "modified_by.id")


def _picked(axis: Axis, at: str) -> str:
    return _PICKED.format(at=at, seen=_SEEN[axis].format(at=at))


def _difference(row: Row[Any]) -> Difference:
    before = None if row.before is None else from_document(row.before)
    after = None if row.after is None else from_document(row.after)
    key = (row.org_id, row.cadence_id)
    versions = (row.from_version, row.to_version)
    if before is None or after is None:
        name = _text((after or before or {}).get("name"))
        return Difference(*key, name, row.came if before is None else "deleted", *versions, ())
    fields = tuple(EditedField(path, old, new) for path, old, new in changed_fields(before, after))
    return Difference(*key, _text(after.get("name")), "updated", *versions, fields)


def _named(each: Difference, names: dict[Any, dict[str, str | None]]) -> Difference:
    old, new = (
        names.get((each.org_id, each.cadence_id, version), {}) for version in (each.from_version, each.to_version)
    )
    fields = tuple(
        EditedField(field.field, field.old, field.new, old.get(field.field), new.get(field.field))
        for field in each.fields
    )
    return Difference(each.org_id, each.cadence_id, each.name, each.kind, each.from_version, each.to_version, fields)


def _text(leaf: object) -> str | None:
    return leaf if isinstance(leaf, str) else None
