"""Versions as edits: what changed in each, by whom, with the names that ids had at that time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.fields import FIELDS, UNENROLL
from cadence_sync.core.records import FieldValue
from cadence_sync.db.queries.cadences import Choice
from cadence_sync.db.tables import cadence_changes, cadences, orgs

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


KINDS: Final = ("created", "updated", "deleted", "restored")
FILTER_FIELDS: Final = (*(path for path in FIELDS if path not in {"id", "modified_time", "modified_by.id"}), UNENROLL)
"""What can be asked for; not what moves with every edit."""
_WHOLE: Final = frozenset({"created", "deleted", "restored"})
"""Kinds of a cadence as a whole; they have one row, of the field `*`."""
_RECENT: Final = 10_000
"""So many rows of changes are looked through for who is at work: their persons are offered to choose from."""
_H: Final = cadence_changes.c
_RENAMED: Final = text("renamed.field = 'name' AND octet_length(renamed.old_value #>> '{}') <= 1000")
"""The condition of the index that holds names before renamings, which is all that is read."""
_BY_VALUE: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
"""Whether to read along the index or everything at once depends on how much a filter lets through."""


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """The last change of a page: the next one begins behind it."""

    changed_at: datetime
    org_id: str
    cadence_id: str
    version: int


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """What is looked for; empty words and missing times leave nothing out."""

    org: str = ""
    person: str = ""
    field: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    after: FeedCursor | None = None


async def changes(connection: AsyncConnection, filter_: FeedFilter, limit: int) -> list[VersionEdit]:
    """Return so many edits; one more than a page holds tells that there are others."""
    await connection.execute(_BY_VALUE)
    keys = await connection.execute(_keys(filter_, limit))
    return await edits(connection, [(row.org_id, row.cadence_id, row.version) for row in keys])


async def persons(connection: AsyncConnection, org: str) -> list[Choice]:
    """Return who made recent changes, or created or last edited what is stored."""
    within = () if not org else (_H.org_id == org,)
    recent = (
        select(_H.changed_by_id.label("id"), _H.changed_by_name.label("name"))
        .where(*within)
        .order_by(_H.org_id.desc(), _H.changed_at.desc())
        .limit(_RECENT)
        .subquery()
    )
    own = () if not org else (cadences.c.org_id == org,)
    known = union(
        select(recent.c.id, recent.c.name).distinct(),
        select(cadences.c.created_by_id, cadences.c.created_by_name).where(*own).distinct(),
        select(cadences.c.modified_by_id, cadences.c.modified_by_name).where(*own).distinct(),
    ).subquery()
    rows = await connection.execute(
        select(known.c.id, func.max(known.c.name)).where(known.c.id.is_not(None)).group_by(known.c.id)
    )
    found = [Choice(value, label or value) for value, label in rows]
    return sorted(found, key=lambda choice: choice.label.casefold())


def _keys(filter_: FeedFilter, limit: int) -> Select[Any]:
    """Return the versions of a page: of each organization at most one page, read along its index, then the newest."""
    if filter_.org:
        # By itself, Postgres may also share the work where a filter lets hardly anything through.
        one = _of_org(literal(filter_.org), filter_, limit).subquery()
        return select(literal(filter_.org).label("org_id"), one.c.cadence_id, one.c.version)
    each = _of_org(orgs.c.org_id, filter_, limit).correlate(orgs).lateral()
    return (
        select(orgs.c.org_id, each.c.cadence_id, each.c.version)
        .select_from(orgs.join(each, true()))
        .order_by(each.c.changed_at.desc(), orgs.c.org_id.desc(), each.c.cadence_id.desc(), each.c.version.desc())
        .limit(limit)
    )


def _of_org(org: ColumnElement[str], filter_: FeedFilter, limit: int) -> Select[Any]:
    place = (_H.changed_at, _H.cadence_id, _H.version)
    return (
        select(*place)
        .where(_H.org_id == org, *_asked(org, filter_))
        .group_by(*place)
        .order_by(_H.changed_at.desc(), _H.cadence_id.desc(), _H.version.desc())
        .limit(limit)
    )


def _asked(org: ColumnElement[str], filter_: FeedFilter) -> list[Any]:
    conditions = _of_what(org, filter_)
    if filter_.since is not None:
        conditions.append(_H.changed_at >= filter_.since)
    if filter_.until is not None:
        conditions.append(_H.changed_at <= filter_.until)
    if filter_.text:
        conditions.append(or_(*(_H.cadence_id.in_(named) for named in _named(org, filter_.text))))
    if filter_.after is not None:
        conditions.append(_behind(org, filter_.after))
    return conditions


def _named(org: ColumnElement[str], words: str) -> list[Select[Any]]:
    """Return the cadences that have such a name or id, and those that had such a name."""
    renamed = cadence_changes.alias("renamed").c
    before = renamed.old_value[()].astext.icontains(words, autoescape=True)
    return [
        select(cadences.c.cadence_id)
        .where(
            cadences.c.org_id == org,
            or_(cadences.c.name.icontains(words, autoescape=True), cadences.c.cadence_id == words),
        )
        .correlate(orgs),
        select(renamed.cadence_id).where(renamed.org_id == org, _RENAMED, before).correlate(orgs),
    ]


def _of_what(org: ColumnElement[str], filter_: FeedFilter) -> list[Any]:
    """Return conditions in the words of the indexes: whoever is named changed `modified_time` too, or the whole."""
    conditions: list[Any] = [
        column == value for column, value in ((_H.kind, filter_.kind), (_H.field, filter_.field)) if value
    ]
    if filter_.kind in _WHOLE:
        conditions.append(_H.field == "*")
    if filter_.person:
        conditions.append(_by(org, filter_))
    return conditions


def _by(org: ColumnElement[str], filter_: FeedFilter) -> ColumnElement[bool]:
    named = _H.changed_by_id == filter_.person
    if filter_.field:
        return named
    whole = _H.field == literal_column("'*'")
    own = select(cadences.c.cadence_id).where(cadences.c.org_id == org, cadences.c.created_by_id == filter_.person)
    return or_(
        and_(named, or_(whole, _H.field == literal_column("'modified_time'"))),
        and_(whole, _H.kind == "created", _H.cadence_id.in_(own.correlate(orgs))),
    )


def _behind(org: ColumnElement[str], after: FeedCursor) -> Any:
    """Return what lies behind a change: the index ends where `changed_at` does, the rest decides between equals."""
    key = tuple_(org, _H.cadence_id, _H.version)
    last = tuple_(literal(after.org_id), literal(after.cadence_id), literal(after.version))
    return and_(_H.changed_at <= after.changed_at, or_(_H.changed_at < after.changed_at, key < last))
