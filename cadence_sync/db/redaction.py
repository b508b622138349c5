"""The one permitted rewrite of history: replaces a user's name everywhere, and leaves a row in `redactions`.

One transaction per organization, under its lock. The database lets only such names be replaced, only of the user whom
the row names, and only as many as the row counts: so a first pass learns the names, a second counts, a third writes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Table, Text, cast, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.redact import ROLES, WORD, Redacted, RedactionTarget, is_json, redact, redact_sample, redact_text
from cadence_sync.db import audit
from cadence_sync.db.bulk import blocks_of, execute, update_rows
from cadence_sync.db.engine import LOCK_ORG, open_connection, transaction
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables.history import cadence_changes, cadence_versions, cadences, orgs, redactions
from cadence_sync.db.tables.running import quarantined_records, schema_drift
from cadence_sync.errors import NotFoundError
from cadence_sync.ports import Actor

_USER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_Row: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Redaction:
    """The result for a user in one organization: the number of rewritten rows by table."""

    org_id: str
    user_id: str
    counts: dict[str, int]
    kept: int = 0
    """Versions that name the user in `unenroll_properties`, which is configuration."""
    ids: dict[str, int] = field(default_factory=dict)
    """Column → rows that hold the user's id, which stays; for a dry run."""


async def organizations(engine: AsyncEngine, org_id: str | None) -> list[str]:
    """Returns the ids of all organizations that were ever synced, or this one; raises `NotFoundError`."""
    async with open_connection(engine) as connection:
        await check_migrated(connection)
        known = list(await connection.scalars(select(orgs.c.org_id).order_by(orgs.c.org_id)))
    if org_id is None or org_id in known:
        return known if org_id is None else [org_id]
    raise NotFoundError(f"There is no organization {org_id!r}.", hint="`cadence-sync status` lists them.")


async def redact_person(
    engine: AsyncEngine, org_id: str, user_id: str, by: Actor, *, dry_run: bool = False
) -> Redaction | None:
    """Replaces a user's name in an organization; returns None where that user was never seen there.

    A dry run counts what would be replaced and what would stay.
    """
    if not _USER_ID.fullmatch(user_id):
        return None
    async with transaction(engine) as connection:
        await connection.execute(LOCK_ORG, {"org_id": org_id})
        return await _OrgRedaction(connection, org_id, user_id).run(by, dry_run=dry_run)


@dataclass(slots=True)
class _OrgRedaction:
    """The transaction of one organization; each pass over a table returns the number of its affected rows."""

    connection: AsyncConnection
    org_id: str
    user_id: str
    texts: set[str] = field(default_factory=set)
    """The person's names, as the first pass finds them."""
    found: bool = False
    kept: int = 0

    async def run(self, by: Actor, *, dry_run: bool) -> Redaction | None:
        before = select(func.count()).select_from(redactions).where(*self._is_theirs(redactions.c.user_id))
        again = bool(await self.connection.scalar(before))
        versions, changes = await self._versions(write=False), await self._changes(write=False)
        await self._cadences(learn=True)
        await self._quarantine()
        if not self.found and not again:
            return None
        counts = {
            cadence_versions.name: versions,
            cadence_changes.name: changes,
            cadences.name: await self._cadences(),
            quarantined_records.name: await self._quarantine(),
            schema_drift.name: await self._drift(),
        }
        if dry_run:
            return Redaction(self.org_id, self.user_id, counts, self.kept, await self._ids())
        if any(counts.values()) or not again:
            await self._enter(counts, by)
            await self._versions(write=True)
            await self._changes(write=True)
            await self._cadences(write=True)
            await self._quarantine(write=True)
            await self._drift(write=True)
        return Redaction(self.org_id, self.user_id, counts, self.kept)

    async def _enter(self, counts: dict[str, int], by: Actor) -> None:
        """Enters the redaction, and refuses the writes of runs that began before it, which do not know of it."""
        await self.connection.execute(
            insert(redactions).values(org_id=self.org_id, user_id=self.user_id, redacted_by=by.name, **counts)
        )
        await self.connection.execute(update(orgs).where(orgs.c.org_id == self.org_id).values(fence=orgs.c.fence + 1))
        details = {"user_id": self.user_id, "rows": counts}
        await audit.enter(self.connection, by, "redact-person", "redacted", org_id=self.org_id, details=details)

    async def _ids(self) -> dict[str, int]:
        columns = [cadences.c[f"{role}_id"] for role in ROLES] + [cadence_changes.c.changed_by_id]
        found = {
            f"{column.table.name}.{column.name}": await self._count(column.table, column == self.user_id)
            for column in columns
        }
        in_document = or_(*(cadence_versions.c.document[(role, "id")].astext == self.user_id for role in ROLES))
        return found | {"cadence_versions.document": await self._count(cadence_versions, in_document)}

    async def _count(self, table: Any, condition: ColumnElement[bool]) -> int:
        statement = select(func.count()).select_from(table).where(table.c.org_id == self.org_id, condition)
        return await self.connection.scalar(statement) or 0

    async def _versions(self, *, write: bool) -> int:
        raw = cast(cadence_versions.c.raw, Text)
        may_name = or_(func.strpos(raw, self.user_id) > 0, raw.op("~")(r"\\u00[2-7]"))
        change = partial(self._version, learn=not write)
        return await self._pass(cadence_versions, {"raw": raw}, change, may_name, write=write)

    def _version(self, row: _Row, *, learn: bool) -> _Row:
        redacted = redact(row["raw"].encode(), RedactionTarget(frozenset({self.user_id})))
        if learn:
            self._learn(redacted)
            self.kept += redacted.retained
        return row | {"raw": redacted.raw.decode()}

    async def _changes(self, *, write: bool) -> int:
        theirs = self._is_theirs(cadence_changes.c.changed_by_id)
        name = cadence_changes.c.changed_by_name
        if write:
            statement = update(cadence_changes).where(*theirs, name != WORD).values(changed_by_name=WORD)
            return (await self.connection.execute(statement)).rowcount
        count = 0
        for text, rows in await self.connection.execute(select(name, func.count()).where(*theirs).group_by(name)):
            self.found = True
            if text not in {None, WORD}:
                self.texts.add(text)
                count += rows
        return count

    async def _cadences(self, *, learn: bool = False, write: bool = False) -> int:
        columns = {f"{role}_{what}": cadences.c[f"{role}_{what}"] for role in ROLES for what in ("id", "name")}
        extra = cast(cadences.c.extra, Text)
        may_name = or_(*(cadences.c[f"{role}_id"] == self.user_id for role in ROLES), extra != "{}")
        change = partial(self._cadence, learn=learn)
        return await self._pass(cadences, columns | {"extra": extra}, change, may_name, write=write)

    def _cadence(self, row: _Row, *, learn: bool) -> _Row:
        roles = frozenset(role for role in ROLES if row[f"{role}_id"] == self.user_id)
        names = {f"{role}_name": WORD for role in roles if row[f"{role}_name"] is not None}
        texts = frozenset() if learn else frozenset(self.texts)
        redacted = redact(row["extra"].encode(), RedactionTarget(frozenset({self.user_id}), roles, texts))
        if learn:
            self._learn(redacted)
            self.found = self.found or bool(roles)
            self.texts.update({row[name] for name in names} - {WORD})
        return row | names | {"extra": redacted.raw.decode()}

    async def _quarantine(self, *, write: bool = False) -> int:
        columns = {"raw": quarantined_records.c.raw}
        return await self._pass(quarantined_records, columns, self._quarantined_record, write=write)

    def _quarantined_record(self, row: _Row) -> _Row:
        redacted = redact(row["raw"], RedactionTarget(frozenset({self.user_id})))
        self._learn(redacted)
        return row | {"raw": redacted.raw if is_json(row["raw"]) else redact_text(redacted.raw, self.texts)}

    async def _drift(self, *, write: bool = False) -> int:
        return await self._pass(schema_drift, {"sample": schema_drift.c.sample}, self._sample, write=write)

    def _sample(self, row: _Row) -> _Row:
        target = RedactionTarget(frozenset({self.user_id}), texts=frozenset(self.texts))
        return row | {"sample": redact_sample(row["path"], row["sample"], target)}

    async def _pass(
        self,
        table: Table,
        columns: Mapping[str, ColumnElement[Any]],
        change: Callable[[_Row], _Row],
        where: ColumnElement[bool] | None = None,
        *,
        write: bool,
    ) -> int:
        count = 0
        async for block in blocks_of(self.connection, table, self.org_id, columns, where):
            rows = [new for row in block if (new := change(row)) != row]
            if write:
                await execute(self.connection, update_rows(table, self.org_id, rows))
            count += len(rows)
        return count

    def _learn(self, redacted: Redacted) -> None:
        self.found = self.found or redacted.found
        self.texts |= redacted.texts

    def _is_theirs(self, user_id: ColumnElement[Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return user_id.table.c.org_id == self.org_id, user_id == self.user_id
