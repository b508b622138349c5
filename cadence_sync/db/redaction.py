"""The one permitted rewrite of history: a person's name is replaced everywhere, and an audit row says so.

One transaction an organization, behind its lock; the database lets `raw` and `changed_by_name` be rewritten only in
a transaction that has entered itself in `redactions`. So everything is looked through and counted first.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.pii import RedactionTarget
from cadence_sync.core.redact import ROLES, WORD, Redacted, is_json, redact, redact_sample, redact_text
from cadence_sync.db.bulk import Rows, blocks_of, execute, update_rows
from cadence_sync.db.engine import LOCK_ORG, translate_errors
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import (
    cadence_changes,
    cadence_versions,
    cadences,
    orgs,
    quarantined_records,
    redactions,
    schema_drift,
)
from cadence_sync.errors import NotFoundError

_USER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(slots=True)
class Redaction:
    """What became of a person in one organization: how many rows of each table were rewritten."""

    org_id: str
    user_id: str
    counts: dict[str, int]
    kept: int = 0
    """Versions that name them in `unenroll_properties`, which is configuration."""


async def organizations(engine: AsyncEngine, org_id: str | None) -> list[str]:
    """Return the ids of all organizations that were ever synced, or this one if it was."""
    with translate_errors():
        async with engine.connect() as connection:
            await check_migrated(connection)
            known = list(await connection.scalars(select(orgs.c.org_id).order_by(orgs.c.org_id)))
    if org_id is None or org_id in known:
        return known if org_id is None else [org_id]
    raise NotFoundError(f"There is no organization {org_id!r}.", hint="`cadence-sync status` lists them.")


async def redact_person(engine: AsyncEngine, org_id: str, user_id: str, by: str) -> Redaction | None:
    """Replace a user's name in an organization; returns None where that user was never seen there."""
    if not _USER_ID.fullmatch(user_id):
        return None
    with translate_errors():
        async with engine.begin() as connection:
            await connection.execute(LOCK_ORG, {"org_id": org_id})
            return await _Work(connection, org_id, user_id).run(by)


@dataclass(slots=True)
class _Work:
    """One organization's transaction."""

    connection: AsyncConnection
    org_id: str
    user_id: str
    texts: set[str] = field(default_factory=set)
    """The person's names, as they are found."""
    met: bool = False
    kept: int = 0

    @property
    def wanted(self) -> RedactionTarget:
        return RedactionTarget(frozenset({self.user_id}), texts=frozenset(self.texts))

    async def run(self, by: str) -> Redaction | None:
        before = select(func.count()).select_from(redactions).where(*self._named(redactions.c.user_id))
        again = bool(await self.connection.scalar(before))
        versions, changes = await self._versions(write=False), await self._changes(write=False)
        await self._cadences(write=False)
        await self._quarantine(write=False)
        if not self.met and not again:
            return None
        counts = {
            cadence_versions.name: versions,
            cadence_changes.name: changes,
            cadences.name: await self._cadences(write=True),
            quarantined_records.name: await self._quarantine(write=True),
            schema_drift.name: await self._drift(),
        }
        if any(counts.values()) or not again:
            await self._enter(counts, by)
            await self._versions(write=True)
            await self._changes(write=True)
        return Redaction(self.org_id, self.user_id, counts, self.kept)

    async def _enter(self, counts: dict[str, int], by: str) -> None:
        """Leave the audit row, and let no run write that began before it: it knows nothing of this."""
        await self.connection.execute(
            insert(redactions).values(org_id=self.org_id, user_id=self.user_id, redacted_by=by, **counts)
        )
        await self.connection.execute(update(orgs).where(orgs.c.org_id == self.org_id).values(fence=orgs.c.fence + 1))

    async def _versions(self, *, write: bool) -> int:
        raw = cast(cadence_versions.c.raw, Text)
        may_name = or_(func.strpos(raw, self.user_id) > 0, raw.op("~")(r"\\u00[2-7]"))
        count = 0
        async for block in blocks_of(self.connection, cadence_versions, self.org_id, {"raw": raw}, may_name):
            rows: list[dict[str, Any]] = []
            for row in block:
                found = redact(row["raw"].encode(), RedactionTarget(frozenset({self.user_id})))
                if not write:
                    self._learn(found)
                    self.kept += found.retained
                if (text := found.raw.decode()) != row["raw"]:
                    rows.append(row | {"raw": text})
            count += await self._rewrite(cadence_versions, rows, write=write)
        return count

    async def _changes(self, *, write: bool) -> int:
        theirs = self._named(cadence_changes.c.changed_by_id)
        name = cadence_changes.c.changed_by_name
        if write:
            statement = update(cadence_changes).where(*theirs, name != WORD).values(changed_by_name=WORD)
            return (await self.connection.execute(statement)).rowcount
        count = 0
        for found, rows in await self.connection.execute(select(name, func.count()).where(*theirs).group_by(name)):
            self.met = True
            if found not in {None, WORD}:
                self.texts.add(found)
                count += rows
        return count

    async def _cadences(self, *, write: bool) -> int:
        columns = {f"{role}_{what}": cadences.c[f"{role}_{what}"] for role in ROLES for what in ("id", "name")}
        extra = cast(cadences.c.extra, Text)
        may_name = or_(*(cadences.c[f"{role}_id"] == self.user_id for role in ROLES), extra != "{}")
        count = 0
        async for block in blocks_of(self.connection, cadences, self.org_id, columns | {"extra": extra}, may_name):
            rows = [new for row in block if (new := self._cadence(row, learn=not write)) != row]
            count += await self._rewrite(cadences, rows, write=write)
        return count

    def _cadence(self, row: dict[str, Any], *, learn: bool) -> dict[str, Any]:
        roles = frozenset(role for role in ROLES if row[f"{role}_id"] == self.user_id)
        names = {f"{role}_name": WORD for role in roles if row[f"{role}_name"] is not None}
        wanted = self.wanted
        found = redact(
            row["extra"].encode(), RedactionTarget(wanted.ids, roles, frozenset() if learn else wanted.texts)
        )
        if learn:
            self._learn(found)
            self.met = self.met or bool(roles)
            self.texts.update({row[name] for name in names} - {WORD})
        return row | names | {"extra": found.raw.decode()}

    async def _quarantine(self, *, write: bool) -> int:
        count = 0
        async for block in blocks_of(
            self.connection, quarantined_records, self.org_id, {"raw": quarantined_records.c.raw}
        ):
            rows: list[dict[str, Any]] = []
            for row in block:
                found = redact(row["raw"], RedactionTarget(frozenset({self.user_id})))
                self._learn(found)
                raw = found.raw if is_json(row["raw"]) else redact_text(found.raw, self.texts)
                if raw != row["raw"]:
                    rows.append(row | {"raw": raw})
            count += await self._rewrite(quarantined_records, rows, write=write)
        return count

    async def _drift(self) -> int:
        count = 0
        async for block in blocks_of(self.connection, schema_drift, self.org_id, {"sample": schema_drift.c.sample}):
            new = [row | {"sample": redact_sample(row["path"], row["sample"], self.wanted)} for row in block]
            rows = [row for row, before in zip(new, block, strict=True) if row != before]
            count += await self._rewrite(schema_drift, rows, write=True)
        return count

    async def _rewrite(self, table: Any, rows: Rows, *, write: bool) -> int:
        if write and rows:
            await execute(self.connection, update_rows(table, self.org_id, rows))
        return len(rows)

    def _learn(self, found: Redacted) -> None:
        self.met = self.met or found.found
        self.texts |= found.texts

    def _named(self, user_id: ColumnElement[Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return what is true of this organization's rows with this user."""
        return user_id.table.c.org_id == self.org_id, user_id == self.user_id
