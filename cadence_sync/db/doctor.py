"""Proving that the stored history is whole."""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.document import from_document
from cadence_sync.core.model import Config
from cadence_sync.core.rules import comparable
from cadence_sync.db.engine import our_errors
from cadence_sync.db.invariants import INVARIANTS
from cadence_sync.db.migrate import check_migrated
from cadence_sync.db.tables import cadence_changes, cadence_versions

REBUILDS: Final = "every version's changes rebuild it from its predecessor"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must hold, and where it does not: (org_id, cadence_id, version)."""

    what: str
    exceptions: list[tuple[str, str | None, int]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it holds everywhere."""
        return not self.exceptions


async def examine(engine: AsyncEngine) -> list[Finding]:
    """Check everything in one snapshot of the database; costs a pass over the whole history."""
    with our_errors():
        async with engine.connect() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            await check_migrated(connection)
            findings = [Finding(what, await _rows(connection, sql)) for what, sql in INVARIANTS.items()]
            return [*findings, Finding(REBUILDS, await _not_rebuilt(connection))]


async def _rows(connection: AsyncConnection, sql: str) -> list[tuple[str, str | None, int]]:
    return [(row[0], row[1], row[2]) for row in await connection.execute(text(sql))]


async def _not_rebuilt(connection: AsyncConnection) -> list[tuple[str, str | None, int]]:
    """Apply each version's changes to the document before it; fields learnt in between may be new."""
    versions, changes = cadence_versions.c, cadence_changes.c
    key = ("org_id", "cadence_id", "version")
    written: dict[tuple[str, ...], Config] = {}
    for row in (await connection.execute(select(cadence_changes).where(changes.kind == "updated"))).mappings():
        written.setdefault(tuple(row[name] for name in key), {})[row["field"]] = row["new_value"]
    statement = select(versions.org_id, versions.cadence_id, versions.version, versions.kind, versions.document)
    wrong: list[tuple[str, str | None, int]] = []
    before: RowMapping | None = None
    async with connection.stream(statement.order_by(*(versions[name] for name in key))) as rows:
        async for row in rows.mappings():
            follows = before is not None and before["cadence_id"] == row["cadence_id"] and row["version"] > 1
            changed = written.get((row["org_id"], row["cadence_id"], row["version"]), {})
            if follows and before is not None and not _follows(before, row, changed):
                wrong.append((row["org_id"], row["cadence_id"], row["version"]))
            before = row
    return wrong


def _follows(before: RowMapping, row: RowMapping, changes: Config) -> bool:
    """Whether a document is its predecessor's with these changes; a restored cadence may differ freely."""
    if row["kind"] == "restored":
        return True
    old, new = from_document(before["document"]), from_document(row["document"])
    return _comparable(old | changes, old) == _comparable(new, old)


def _comparable(config: Config, paths: Config) -> dict[str, object]:
    return {path: comparable(config[path]) for path in paths if path in config}
