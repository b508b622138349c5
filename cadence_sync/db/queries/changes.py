"""Changes: what each version changed and who did it, and the feed of all changes, newest first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.labels import AUDIT_FIELDS, FIELD_TITLES
from cadence_sync.core.records import FieldChange
from cadence_sync.db.scope import OrgScope
from cadence_sync.db.tables.history import cadence_changes, cadences, orgs

Key = tuple[str, str, int]
"""An organization, a cadence and a version."""
FILTER_FIELDS: Final = tuple(path for path in FIELD_TITLES if path not in AUDIT_FIELDS)
_H: Final = cadence_changes.c
_RENAMED: Final = sa.text("renamed.field = 'name' AND octet_length(renamed.old_value #>> '{}') <= 1000")
"""The condition of the index of former names."""
_CUSTOM_PLAN: Final = sa.text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
"""Whether an index scan pays off depends on how much a filter lets through."""


@dataclass(frozen=True, slots=True)
class VersionEdit:
    """One version and its changes; `name` and `module` are those of the cadence now.

    A creation without an author, since another person had edited the cadence before it was seen, has its creator as
    author: Zoho names that one with the cadence.
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
    fields: tuple[FieldChange, ...]

    @property
    def key(self) -> Key:
        return self.org_id, self.cadence_id, self.version


class Choice(NamedTuple):
    value: str
    label: str


class FeedCursor(NamedTuple):
    """The last change of a page; the next page begins after it."""

    changed_at: datetime
    org_id: str
    cadence_id: str
    version: int


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """What the feed shows; None filters nothing."""

    scope: OrgScope
    person: str | None = None
    field: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    after: FeedCursor | None = None


# Names of modules and views came with the record; the newest version has today's.
_EDITS: Final = sa.text("""
    SELECT v.org_id, v.cadence_id, v.version, c.name, c.module_api_name AS module, v.kind,
           v.valid_from AS changed_at, v.observed_at, v.run_id,
           CASE WHEN said.nobody THEN made.by_id ELSE said.by_id END AS by_id,
           CASE WHEN said.nobody THEN made.by_name ELSE said.by_name END AS by_name, said.fields,
           CASE v.kind WHEN 'restored' THEN before.document END AS before,
           CASE v.kind WHEN 'restored' THEN v.document END AS document
    FROM unnest(CAST(:orgs AS text[]), CAST(:cadences AS text[]), CAST(:versions AS integer[]))
        AS wanted (org_id, cadence_id, version)
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
""").columns(fields=JSONB, before=JSONB, document=JSONB)


async def load_edits(connection: AsyncConnection, keys: Sequence[Key]) -> list[VersionEdit]:
    """Loads the versions in the order of `keys`; unknown ones are left out."""
    if not keys:
        return []
    org_ids, cadence_ids, versions = (list(column) for column in zip(*keys, strict=True))
    rows = await connection.execute(_EDITS, {"orgs": org_ids, "cadences": cadence_ids, "versions": versions})
    found = {(row.org_id, row.cadence_id, row.version): _edit(row) for row in rows}
    return [found[key] for key in keys if key in found]


async def load_feed(connection: AsyncConnection, filter_: FeedFilter, limit: int) -> list[VersionEdit]:
    await connection.execute(_CUSTOM_PLAN)
    keys = await connection.execute(_keys(filter_, limit))
    return await load_edits(connection, [(row.org_id, row.cadence_id, row.version) for row in keys])


async def load_authors(connection: AsyncConnection, scope: OrgScope) -> list[Choice]:
    recent = (
        sa.select(_H.changed_by_id.label("id"), _H.changed_by_name.label("name"))
        .where(*scope.conditions(_H.org_id))
        .order_by(_H.org_id.desc(), _H.changed_at.desc())
        .limit(10_000)
        .subquery()
    )
    known = sa.union(sa.select(recent.c.id, recent.c.name).distinct(), *select_persons(scope)).subquery()
    rows = await connection.execute(
        sa.select(known.c.id, sa.func.max(known.c.name)).where(known.c.id.is_not(None)).group_by(known.c.id)
    )
    return sort_choices(Choice(value, label or value) for value, label in rows)


def select_persons(scope: OrgScope) -> list[sa.Select[Any]]:
    within = scope.conditions(cadences.c.org_id)
    return [
        sa.select(cadences.c.created_by_id.label("id"), cadences.c.created_by_name.label("name"))
        .where(*within)
        .distinct(),
        sa.select(cadences.c.modified_by_id, cadences.c.modified_by_name).where(*within).distinct(),
    ]


def sort_choices(choices: Iterable[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda choice: choice.label.casefold())


def _edit(row: sa.Row[Any]) -> VersionEdit:
    if row.before is not None:
        # A restored version has no change rows: its changes are the difference of two documents.
        fields = tuple(changed_fields(from_document(row.before), from_document(row.document)))
    else:
        fields = tuple(FieldChange(*field) for field in row.fields or ())
    own = {name: getattr(row, name) for name in VersionEdit.__slots__ if name != "fields"}
    return VersionEdit(**own, fields=fields)


def _keys(filter_: FeedFilter, limit: int) -> sa.Select[Any]:
    """Selects a page's versions: the newest of at most one page an organization, each read along its index."""
    only = filter_.scope.single
    if only is not None:
        # Postgres may choose a parallel plan of its own here, where a filter lets hardly anything through.
        one = _of_org(sa.literal(only), filter_, limit).subquery()
        return sa.select(sa.literal(only).label("org_id"), one.c.cadence_id, one.c.version)
    each = _of_org(orgs.c.org_id, filter_, limit).correlate(orgs).lateral()
    return (
        sa.select(orgs.c.org_id, each.c.cadence_id, each.c.version)
        .select_from(orgs.join(each, sa.true()))
        .where(*filter_.scope.conditions(orgs.c.org_id))
        .order_by(each.c.changed_at.desc(), orgs.c.org_id.desc(), each.c.cadence_id.desc(), each.c.version.desc())
        .limit(limit)
    )


def _of_org(org: sa.ColumnElement[str], filter_: FeedFilter, limit: int) -> sa.Select[Any]:
    columns = (_H.changed_at, _H.cadence_id, _H.version)
    return (
        sa.select(*columns)
        .where(_H.org_id == org, *_conditions(org, filter_))
        .group_by(*columns)
        .order_by(_H.changed_at.desc(), _H.cadence_id.desc(), _H.version.desc())
        .limit(limit)
    )


def _conditions(org: sa.ColumnElement[str], filter_: FeedFilter) -> list[Any]:
    conditions: list[Any] = [
        column == value for column, value in ((_H.kind, filter_.kind), (_H.field, filter_.field)) if value
    ]
    if filter_.kind and filter_.kind != "updated":
        conditions.append(_H.field == "*")
    if filter_.person:
        conditions.append(_changed_by(org, filter_))
    if filter_.since is not None:
        conditions.append(_H.changed_at >= filter_.since)
    if filter_.until is not None:
        conditions.append(_H.changed_at <= filter_.until)
    if filter_.text:
        conditions.append(sa.or_(*(_H.cadence_id.in_(named) for named in _named(org, filter_.text))))
    if filter_.after is not None:
        conditions.append(_follows(org, filter_.after))
    return conditions


def _named(org: sa.ColumnElement[str], words: str) -> list[sa.Select[Any]]:
    renamed = cadence_changes.alias("renamed").c
    former = renamed.old_value[()].astext.icontains(words, autoescape=True)
    return [
        sa.select(cadences.c.cadence_id)
        .where(
            cadences.c.org_id == org,
            sa.or_(cadences.c.name.icontains(words, autoescape=True), cadences.c.cadence_id == words),
        )
        .correlate(orgs),
        sa.select(renamed.cadence_id).where(renamed.org_id == org, _RENAMED, former).correlate(orgs),
    ]


def _changed_by(org: sa.ColumnElement[str], filter_: FeedFilter) -> sa.ColumnElement[bool]:
    """Matches an author: who changed a field changed `modified_time` too, or the cadence as a whole."""
    named = _H.changed_by_id == filter_.person
    if filter_.field:
        return named
    whole = _H.field == sa.literal_column("'*'")
    own = sa.select(cadences.c.cadence_id).where(cadences.c.org_id == org, cadences.c.created_by_id == filter_.person)
    return sa.or_(
        sa.and_(named, sa.or_(whole, _H.field == sa.literal_column("'modified_time'"))),
        sa.and_(whole, _H.kind == "created", _H.cadence_id.in_(own.correlate(orgs))),
    )


def _follows(org: sa.ColumnElement[str], after: FeedCursor) -> sa.ColumnElement[bool]:
    """Matches what follows a change: the index ends with `changed_at`, the key decides among equals."""
    key = sa.tuple_(org, _H.cadence_id, _H.version)
    last = sa.tuple_(sa.literal(after.org_id), sa.literal(after.cadence_id), sa.literal(after.version))
    return sa.and_(_H.changed_at <= after.changed_at, sa.or_(_H.changed_at < after.changed_at, key < last))
