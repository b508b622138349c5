"""Versions as edits: what changed in each, by whom, with the names that ids had at that time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.records import FieldValue

Key = tuple[str, str, int]
"""An organization, a cadence and a version."""


@dataclass(frozen=True, slots=True)
class EditedField:
    """A field that changed; labels are the names of what ids stand for, where Zoho sent them."""

    field: str
    old: FieldValue
    new: FieldValue
    old_label: str | None = None
    new_label: str | None = None


@dataclass(frozen=True, slots=True)
class VersionEdit:
    """One version; `name` and `module` are those of the cadence now.

    Who made a cadence, Zoho says with it: a creation is its creator's, also where its row of changes names nobody,
    since somebody else had edited it before it was seen.
    """

    org_id: str
    cadence_id: str
    version: int
    name: str | None
    module: str | None
    kind: str
    changed_at: datetime
    observed_at: datetime
    run_id: int
    by_id: str | None
    by_name: str | None
    fields: tuple[EditedField, ...]

    @property
    def key(self) -> Key:
        """Return what names it for ever."""
        return self.org_id, self.cadence_id, self.version


# The name of a module or view came with the record; the newest version has the one of today.
_EDITS: Final = (
    text("""
    SELECT v.org_id, v.cadence_id, v.version, c.name, c.module_api_name AS module, v.kind,
           v.valid_from AS changed_at, v.observed_at, v.run_id,
           CASE WHEN said.nobody THEN made.by_id ELSE said.by_id END AS by_id,
           CASE WHEN said.nobody THEN made.by_name ELSE said.by_name END AS by_name, said.fields,
           CASE v.kind WHEN 'restored' THEN before.document END AS before,
           CASE v.kind WHEN 'restored' THEN v.document END AS document
    FROM unnest(:orgs, :cadences, :versions) AS wanted (org_id, cadence_id, version)
    JOIN cadence_sync.cadence_versions AS v USING (org_id, cadence_id, version)
    JOIN cadence_sync.cadences AS c ON c.org_id = v.org_id AND c.cadence_id = v.cadence_id
    LEFT JOIN cadence_sync.cadence_versions AS before
      ON before.org_id = v.org_id AND before.cadence_id = v.cadence_id AND before.version = v.version - 1
    LEFT JOIN LATERAL (SELECT c.created_by_id AS by_id, c.created_by_name AS by_name) AS made ON v.kind = 'created'
    CROSS JOIN LATERAL (
        SELECT max(h.changed_by_id) AS by_id, max(h.changed_by_name) AS by_name,
               count(h.changed_by_id) = 0 AND count(h.changed_by_name) = 0 AS nobody,
               jsonb_agg(jsonb_build_array(
                   h.field, h.old_value, h.new_value,
                   CASE h.field
                       WHEN 'module.id' THEN before.raw -> 'module' ->> 'api_name'
                       WHEN 'custom_view.id' THEN before.raw -> 'custom_view' ->> 'name'
                   END,
                   CASE h.field
                       WHEN 'module.id' THEN v.raw -> 'module' ->> 'api_name'
                       WHEN 'custom_view.id' THEN v.raw -> 'custom_view' ->> 'name'
                   END
               ) ORDER BY h.change_id) FILTER (WHERE h.field <> '*') AS fields
        FROM cadence_sync.cadence_changes AS h
        WHERE h.org_id = v.org_id AND h.cadence_id = v.cadence_id AND h.version = v.version
    ) AS said
    """)
    .bindparams(
        bindparam("orgs", type_=ARRAY(Text)),
        bindparam("cadences", type_=ARRAY(Text)),
        bindparam("versions", type_=ARRAY(Integer)),
    )
    .columns(fields=JSONB, before=JSONB, document=JSONB)
)


async def edits(connection: AsyncConnection, keys: Sequence[Key]) -> list[VersionEdit]:
    """Return these versions, in the order in which they are asked for."""
    if not keys:
        return []
    orgs, cadences, versions = (list(column) for column in zip(*keys, strict=True))
    rows = await connection.execute(_EDITS, {"orgs": orgs, "cadences": cadences, "versions": versions})
    found = {(row.org_id, row.cadence_id, row.version): _edit(row) for row in rows}
    return [found[key] for key in keys if key in found]


def _edit(row: Any) -> VersionEdit:
    if row.before is not None:
        # What came back has no rows of fields: only two documents tell what it came back with.
        leaves = changed_fields(from_document(row.before), from_document(row.document))
        fields = tuple(EditedField(path, old, new) for path, old, new in leaves)
    else:
        fields = tuple(EditedField(*field) for field in row.fields or ())
    own = {name: getattr(row, name) for name in VersionEdit.__slots__ if name != "fields"}
    return VersionEdit(**own, fields=fields)
