"""The list of cadences: searched, filtered, sorted and paged."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db import tables
from cadence_sync.db.tables import cadences, execution_details, follow_up_summaries, held_deletions

_BATCH: Final = 1000
_C: Final = cadences.c
_O: Final = tables.orgs.c


class CadenceState(StrEnum):
    """Which cadences are listed."""

    LIVE = "live"
    MISSING = "missing"
    """Live, since nobody has let them be deleted, though they are no longer in Zoho's list."""
    DELETED = "deleted"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CadenceFilter:
    """What is looked for; empty words leave nothing out. A person is whoever created a cadence or edited it last."""

    text: str = ""
    org: str = ""
    module: str = ""
    status: str = ""
    person: str = ""
    state: CadenceState = CadenceState.LIVE
    sort: str = "name"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class CadenceListRow:
    """One line of the list."""

    org_id: str
    cadence_id: str
    name: str | None
    type: str | None
    status: str | None
    active: bool | None
    published: bool | None
    module_id: str | None
    module_api_name: str | None
    custom_view_id: str | None
    custom_view_name: str | None
    created_time: datetime | None
    created_by_id: str | None
    created_by_name: str | None
    modified_time: datetime | None
    modified_by_id: str | None
    modified_by_name: str | None
    email_follow_up_count: int | None
    task_follow_up_count: int | None
    call_follow_up_count: int | None
    whatsapp_follow_up_count: int | None
    execute_every_unit: int | None
    execute_every_period: str | None
    version: int
    first_seen_at: datetime
    last_changed_at: datetime
    deleted_at: datetime | None
    missing_since: datetime | None


class Choice(NamedTuple):
    """Something that a list can be narrowed to."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What the stored cadences can be narrowed to, deleted ones included."""

    orgs: tuple[Choice, ...]
    modules: tuple[Choice, ...]
    statuses: tuple[Choice, ...]
    persons: tuple[Choice, ...]


CHANGED: Final = case(
    # Of a cadence that has not changed since it was first seen, Zoho alone says when it last did.
    (_C.version == 1, func.least(func.coalesce(_C.modified_time, _C.created_time), _C.last_changed_at)),
    else_=_C.last_changed_at,
)
SORTS: Final[dict[str, ColumnElement[Any]]] = {
    "name": func.lower(_C.name),
    "org": _C.org_id,
    "module": func.lower(_C.module_api_name),
    "status": _C.status,
    "created": _C.created_time,
    "changed": CHANGED,
    "person": func.lower(_C.modified_by_name),
}
"""What the list can be sorted by; ids break ties, so that pages neither repeat nor leave out."""


async def listed(connection: AsyncConnection, filter_: CadenceFilter, limit: int, offset: int) -> list[CadenceListRow]:
    """Return one page of the list.

    An offset, not a key to go on from: the order may be by any column, and of 10,000 cadences the last page costs
    some milliseconds more than the first.
    """
    found = await connection.execute(_lines(filter_).limit(limit).offset(offset))
    return [CadenceListRow(*row) for row in found]


async def every(connection: AsyncConnection, filter_: CadenceFilter) -> AsyncIterator[CadenceListRow]:
    """Yield the whole list."""
    async with connection.stream(_lines(filter_)) as rows:
        async for batch in rows.partitions(_BATCH):
            for row in batch:
                yield CadenceListRow(*row)


async def counted(connection: AsyncConnection, filter_: CadenceFilter) -> int:
    """Return how long the list is."""
    return (await connection.execute(select(func.count()).select_from(cadences).where(*_asked(filter_)))).scalar_one()


async def orgs(connection: AsyncConnection) -> list[str]:
    """Return the names of all organizations."""
    return list((await connection.execute(select(_O.org_id).order_by(_O.org_id))).scalars())


async def choices(connection: AsyncConnection, org: str) -> Choices:
    """Return what there is to choose from, of one organization or of all."""
    within = () if not org else (_C.org_id == org,)
    persons = union(
        select(_C.created_by_id.label("id"), _C.created_by_name.label("name")).where(*within).distinct(),
        select(_C.modified_by_id, _C.modified_by_name).where(*within).distinct(),
    ).subquery()
    found = await connection.execute(
        union_all(
            select(literal("org").label("kind"), _O.org_id.label("value"), _O.org_id.label("label")),
            select(literal("module"), _C.module_api_name, _C.module_api_name).where(*within).distinct(),
            select(literal("status"), _C.status, _C.status).where(*within).distinct(),
            select(literal("person"), persons.c.id, func.max(persons.c.name)).group_by(persons.c.id),
        )
    )
    by_kind: dict[str, list[Choice]] = {"org": [], "module": [], "status": [], "person": []}
    for kind, value, label in found:
        if value is not None:
            by_kind[kind].append(Choice(value, label or value))
    in_order = (tuple(sorted(each, key=lambda choice: choice.label.casefold())) for each in by_kind.values())
    return Choices(*in_order)


def _lines(filter_: CadenceFilter) -> Select[Any]:
    own: dict[str, ColumnElement[Any]] = {column.name: column for column in _C}
    others = {column.name: column for table in (follow_up_summaries, execution_details) for column in table.c}
    named = others | own | {"last_changed_at": CHANGED, "missing_since": held_deletions.c.missing_since}
    columns = [named[name].label(name) for name in CadenceListRow.__slots__]
    by = SORTS[filter_.sort]
    order = by.desc().nulls_last() if filter_.descending else by.asc().nulls_last()
    return (
        select(*columns)
        .select_from(
            cadences.outerjoin(follow_up_summaries, _same(follow_up_summaries))
            .outerjoin(execution_details, _same(execution_details))
            .outerjoin(held_deletions, _same(held_deletions))
        )
        .where(*_asked(filter_))
        .order_by(order, _C.org_id, _C.cadence_id)
    )


def _same(table: Any) -> ColumnElement[bool]:
    return and_(table.c.org_id == _C.org_id, table.c.cadence_id == _C.cadence_id)


def _asked(filter_: CadenceFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filter_.state is not CadenceState.ALL:
        gone = filter_.state is CadenceState.DELETED
        conditions.append(_C.deleted_at.is_not(None) if gone else _C.deleted_at.is_(None))
    if filter_.state is CadenceState.MISSING:
        undecided = held_deletions.c.decision.is_distinct_from("approved")
        conditions.append(exists().where(_same(held_deletions), undecided).correlate(cadences))
    if filter_.org:
        conditions.append(_C.org_id == filter_.org)
    if filter_.module:
        conditions.append(_C.module_api_name == filter_.module)
    if filter_.status:
        conditions.append(_C.status == filter_.status)
    if filter_.person:
        conditions.append(or_(_C.created_by_id == filter_.person, _C.modified_by_id == filter_.person))
    if filter_.text:
        conditions.append(or_(_C.name.icontains(filter_.text, autoescape=True), _C.cadence_id == filter_.text))
    return conditions
