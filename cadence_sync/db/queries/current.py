"""The current state: each organization's status, and cadences as they are stored now."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.queries.changes import Choice, select_persons, sort_choices
from cadence_sync.db.queries.history import QueryRows, snapshot
from cadence_sync.db.scope import OrgScope
from cadence_sync.db.tables.history import cadence_changes, cadences, execution_details, follow_up_summaries, orgs
from cadence_sync.db.tables.running import held_deletions

BATCH: Final = 500
"""Cadences that an export reads at once."""
_C: Final = cadences.c
_H: Final = held_deletions.c
_INTERNAL: Final = {"version", "digest"}
"""Columns of `cadences` that are not shown among the others."""
_STATUS: Final = sa.text("""
    SELECT f.org_id, f.data_center, f.live, f.deleted,
           (SELECT max(r.finished_at) FROM cadence_sync.sync_runs AS r
            WHERE r.org_id = f.org_id AND r.outcome <> 'failed') AS last_success_at,
           last.run_id AS last_run_id, last.started_at AS last_started_at, last.finished_at AS last_finished_at,
           last.outcome AS last_outcome, last.error_code AS last_error_code,
           last.error_message AS last_error_message, last.error_hint AS last_error_hint,
           f.held, (SELECT max(h.hold_id) FROM cadence_sync.held_deletions AS h
                    WHERE h.org_id = f.org_id AND h.decision IS NULL) AS held_run_id,
           f.missing, f.unknown_fields AS drift,
           (SELECT count(*) FROM cadence_sync.quarantined_records AS q
            WHERE q.org_id = f.org_id AND q.run_id = last.run_id) AS quarantined
    FROM cadence_reporting.sync_freshness AS f
    LEFT JOIN LATERAL (
        SELECT * FROM cadence_sync.sync_runs AS r WHERE r.org_id = f.org_id ORDER BY r.run_id DESC LIMIT 1
    ) AS last ON true
    ORDER BY f.org_id
""")

LIST_COLUMNS: Final = (
    *("org_id", "cadence_id", "name", "type", "status", "active", "published"),
    *("module_id", "module_api_name", "custom_view_id", "custom_view_name"),
    *("created_time", "created_by_id", "created_by_name", "modified_time", "modified_by_id", "modified_by_name"),
    *("email_follow_up_count", "task_follow_up_count", "call_follow_up_count", "whatsapp_follow_up_count"),
    *("execute_every_unit", "execute_every_period", "first_seen_at", "last_changed_at", "deleted_at", "missing_since"),
)
_CHANGED: Final = sa.case(
    # Of a cadence that has not changed since it was first seen, Zoho alone says when it last did.
    (_C.version == 1, sa.func.least(sa.func.coalesce(_C.modified_time, _C.created_time), _C.last_changed_at)),
    else_=_C.last_changed_at,
)
SORTS: Final[dict[str, sa.ColumnElement[Any]]] = {
    "name": sa.func.lower(_C.name),
    "org": _C.org_id,
    "module": sa.func.lower(_C.module_api_name),
    "status": _C.status,
    "created": _C.created_time,
    "changed": _CHANGED,
    "person": sa.func.lower(_C.modified_by_name),
}
"""What lists can be sorted by; ids break ties, so that pages neither repeat nor skip rows."""


class CadenceState(StrEnum):
    """Which cadences are listed."""

    LIVE = "live"
    MISSING = "missing"
    """Live, since their deletion was not approved, though they are no longer in Zoho's list."""
    DELETED = "deleted"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CadenceFilter:
    """What is listed; None filters nothing. A person is a cadence's creator or last editor."""

    scope: OrgScope
    text: str | None = None
    module: str | None = None
    status: str | None = None
    person: str | None = None
    state: CadenceState = CadenceState.LIVE
    sort: str = "name"
    descending: bool = False


async def load_status(engine: AsyncEngine) -> QueryRows:
    return await _rows(engine, _STATUS)


async def list_cadences(engine: AsyncEngine, scope: OrgScope, *, deleted: bool) -> QueryRows:
    statement = _details(scope).order_by(_C.org_id, _C.name, _C.cadence_id)
    if not deleted:
        statement = statement.where(_C.deleted_at.is_(None))
    return await _rows(engine, statement)


async def find_cadence(engine: AsyncEngine, scope: OrgScope, cadence_id: str) -> QueryRows:
    return await _rows(engine, _details(scope).where(_C.cadence_id == cadence_id))


async def load_change_log(engine: AsyncEngine, org_id: str, limit: int) -> QueryRows:
    statement = (
        sa.select(cadence_changes, _C.name)
        .join(cadences, _same_cadence(cadence_changes))
        .where(cadence_changes.c.org_id == org_id)
        .order_by(cadence_changes.c.change_id.desc())
        .limit(limit)
    )
    return await _rows(engine, statement)


async def load_cadence(
    connection: AsyncConnection, scope: OrgScope, org_id: str, cadence_id: str
) -> sa.Row[Any] | None:
    found = await connection.execute(
        sa.select(cadences, _CHANGED.label("changed_at"), _H.missing_since, _H.decision)
        .outerjoin(held_deletions, _same_cadence(held_deletions))
        .where(_C.org_id == org_id, _C.cadence_id == cadence_id, *scope.conditions(_C.org_id))
    )
    return found.one_or_none()


async def list_page(
    connection: AsyncConnection, filter_: CadenceFilter, limit: int, offset: int
) -> Sequence[sa.Row[Any]]:
    """Loads one page of the list, with `LIST_COLUMNS`.

    Paging is by offset, not by key: the order may be by any column, and of 10,000 cadences the last page costs a few
    milliseconds more than the first.
    """
    rows: Sequence[sa.Row[Any]] = (await connection.execute(_listed(filter_).limit(limit).offset(offset))).all()
    return rows


async def load_keys(connection: AsyncConnection, filter_: CadenceFilter) -> Sequence[str]:
    """Loads the keys of the whole list, in its order, as JSON arrays of at most `BATCH`: some 40 bytes a cadence.

    Names and times change while a list is exported, keys never: what was listed at the beginning comes once.
    """
    place = sa.func.row_number().over(order_by=_order(filter_)).label("place")
    listed = sa.select(_C.org_id, _C.cadence_id, place).where(*_conditions(filter_)).subquery()
    key, number = sa.func.json_build_array(listed.c.org_id, listed.c.cadence_id), (listed.c.place - 1) // BATCH
    keys = sa.cast(sa.func.json_agg(aggregate_order_by(key, listed.c.place)), sa.Text)
    return (await connection.scalars(sa.select(keys).group_by(number).order_by(number))).all()


async def load_listed(connection: AsyncConnection, keys: str) -> Sequence[sa.Row[Any]]:
    """Loads the rows of `load_keys` in the same order, with `LIST_COLUMNS`, as they are now."""
    elements = sa.func.json_array_elements(sa.cast(sa.literal(keys, sa.Text), JSON))
    wanted = elements.table_valued(sa.column("value", JSON), with_ordinality="place", name="wanted").render_derived()
    same = (_C.org_id == wanted.c.value[0].astext, _C.cadence_id == wanted.c.value[1].astext)
    tables = wanted.join(cadences, sa.and_(*same))
    for table in (follow_up_summaries, execution_details, held_deletions):
        tables = tables.outerjoin(table, _same_cadence(table))
    statement = sa.select(*_list_columns()).select_from(tables).order_by(wanted.c.place)
    rows: Sequence[sa.Row[Any]] = (await connection.execute(statement)).all()
    return rows


async def count_cadences(connection: AsyncConnection, filter_: CadenceFilter) -> int:
    statement = sa.select(sa.func.count()).select_from(cadences).where(*_conditions(filter_))
    return (await connection.execute(statement)).scalar_one()


async def load_choices(connection: AsyncConnection, scope: OrgScope) -> dict[str, list[Choice]]:
    """Loads the options of the list's filters, those of deleted cadences included."""
    within, org_id = scope.conditions(_C.org_id), orgs.c.org_id
    person = sa.union(*select_persons(scope)).subquery()
    found = await connection.execute(
        sa.union_all(
            sa.select(sa.literal("orgs").label("kind"), org_id.label("value"), org_id.label("label")).where(
                *scope.whole.conditions(org_id)
            ),
            sa.select(sa.literal("modules"), _C.module_api_name, _C.module_api_name).where(*within).distinct(),
            sa.select(sa.literal("statuses"), _C.status, _C.status).where(*within).distinct(),
            sa.select(sa.literal("persons"), person.c.id, sa.func.max(person.c.name)).group_by(person.c.id),
        )
    )
    by_kind: dict[str, list[Choice]] = {"orgs": [], "modules": [], "statuses": [], "persons": []}
    for kind, value, label in found:
        if value is not None:
            by_kind[kind].append(Choice(value, label or value))
    return {kind: sort_choices(choices) for kind, choices in by_kind.items()}


def _details(scope: OrgScope) -> sa.Select[Any]:
    own = [column for column in _C if column.name not in _INTERNAL]
    counts = [column for column in follow_up_summaries.c if not column.primary_key]
    execution = [column.label(f"execution_{column.name}") for column in execution_details.c if not column.primary_key]
    statement = sa.select(*own, *counts, *execution, _C.version).select_from(_with_details())
    return statement.where(*scope.conditions(_C.org_id))


def _listed(filter_: CadenceFilter) -> sa.Select[Any]:
    return (
        sa.select(*_list_columns())
        .select_from(_with_details().outerjoin(held_deletions, _same_cadence(held_deletions)))
        .where(*_conditions(filter_))
        .order_by(*_order(filter_))
    )


def _list_columns() -> list[sa.ColumnElement[Any]]:
    tables = (follow_up_summaries, execution_details, cadences)
    columns: dict[str, sa.ColumnElement[Any]] = {column.name: column for table in tables for column in table.c}
    columns |= {"last_changed_at": _CHANGED, "missing_since": _H.missing_since}
    return [columns[name].label(name) for name in LIST_COLUMNS]


def _order(filter_: CadenceFilter) -> tuple[sa.ColumnElement[Any], ...]:
    by = SORTS[filter_.sort]
    return (by.desc().nulls_last() if filter_.descending else by.asc().nulls_last(), _C.org_id, _C.cadence_id)


def _with_details() -> sa.Join:
    return cadences.outerjoin(follow_up_summaries, _same_cadence(follow_up_summaries)).outerjoin(
        execution_details, _same_cadence(execution_details)
    )


def _same_cadence(table: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.org_id == _C.org_id, table.c.cadence_id == _C.cadence_id)


def _conditions(filter_: CadenceFilter) -> list[sa.ColumnElement[bool]]:
    equal = ((_C.module_api_name, filter_.module), (_C.status, filter_.status))
    conditions = [*filter_.scope.conditions(_C.org_id), *(column == value for column, value in equal if value)]
    if filter_.state is not CadenceState.ALL:
        deleted = filter_.state is CadenceState.DELETED
        conditions.append(_C.deleted_at.is_not(None) if deleted else _C.deleted_at.is_(None))
    if filter_.state is CadenceState.MISSING:
        unapproved = _H.decision.is_distinct_from("approved")
        conditions.append(sa.exists().where(_same_cadence(held_deletions), unapproved).correlate(cadences))
    if filter_.person:
        conditions.append(sa.or_(_C.created_by_id == filter_.person, _C.modified_by_id == filter_.person))
    if filter_.text:
        conditions.append(sa.or_(_C.name.icontains(filter_.text, autoescape=True), _C.cadence_id == filter_.text))
    return conditions


async def _rows(engine: AsyncEngine, statement: sa.Executable) -> QueryRows:
    async with snapshot(engine) as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]
