"""Proving that the stored history is whole."""

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.core.canonical import from_document
from cadence_sync.core.records import Config
from cadence_sync.core.unenroll import canonical_value
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.invariants import INVARIANTS
from cadence_sync.db.revision import check_migrated
from cadence_sync.db.tables import cadence_changes, cadence_versions, discovered_fields

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
    with translate_errors():
        async with engine.connect() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            await check_migrated(connection)
            findings = [Finding(what, await _rows(connection, sql)) for what, sql in INVARIANTS.items()]
            return [*findings, Finding(REBUILDS, await _not_rebuilt(connection))]


async def _rows(connection: AsyncConnection, sql: str) -> list[tuple[str, str | None, int]]:
    return [(row[0], row[1], row[2]) for row in await connection.execute(text(sql))]


async def _not_rebuilt(connection: AsyncConnection) -> list[tuple[str, str | None, int]]:
    """Apply each version's changes to what was known of the one before it; fields discovered with it may be new."""
    versions, key = cadence_versions.c, ("org_id", "cadence_id", "version")
    written = await _by_version(
        connection, select(cadence_changes).where(cadence_changes.c.kind == "updated"), "new_value"
    )
    discovered = await _by_version(connection, select(discovered_fields), "value")
    statement = select(versions.org_id, versions.cadence_id, versions.version, versions.kind, versions.document)
    wrong: list[tuple[str, str | None, int]] = []
    known: Config = {}
    async with connection.stream(statement.order_by(*(versions[name] for name in key))) as rows:
        async for row in rows.mappings():
            place = (row["org_id"], row["cadence_id"], row["version"])
            now = from_document(row["document"])
            # A restored cadence may differ freely.
            if row["version"] > 1 and row["kind"] != "restored" and not _follows(known, now, written.get(place, {})):
                wrong.append(place)
            known = now | discovered.get(place, {})
    return wrong


async def _by_version(
    connection: AsyncConnection, statement: Select[Any], value: str
) -> dict[tuple[str, str, int], Config]:
    """Return (org_id, cadence_id, version) → path → value."""
    found: dict[tuple[str, str, int], Config] = {}
    for row in (await connection.execute(statement)).mappings():
        found.setdefault((row["org_id"], row["cadence_id"], row["version"]), {})[row["field"]] = row[value]
    return found


def _follows(known: Config, now: Config, changes: Config) -> bool:
    """Whether a document is what was known before, with these changes."""
    return _comparable(known | changes, known) == _comparable(now, known)


def _comparable(config: Config, paths: Config) -> dict[str, object]:
    return {path: canonical_value(config[path]) for path in paths if path in config}
