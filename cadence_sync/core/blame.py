"""Of each field of a cadence: which version gave it its value, or which run discovered it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cadence_sync.core.canonical import changed_fields
from cadence_sync.core.diff import Kind
from cadence_sync.core.labels import displayed_fields
from cadence_sync.core.records import Config, FieldValue

DISCOVERED: Final = "discovered"
"""Stands beside the kinds of versions for a field that Zoho had not sent before: it did not change."""


@dataclass(frozen=True, slots=True)
class DiscoveredField:
    """A field that became known after its version began; no run where an older release saw it."""

    value: FieldValue
    observed_at: datetime
    run_id: int | None


@dataclass(frozen=True, slots=True)
class ObservedVersion:
    """One version of a cadence, what its change rows say, and what became known of it later."""

    version: int
    kind: Kind
    valid_from: datetime
    observed_at: datetime
    run_id: int
    config: Config
    changed: frozenset[str] = frozenset()
    """Paths that have a row of their own; only `updated` versions have such rows."""
    changed_by_id: str | None = None
    changed_by_name: str | None = None
    discovered: Mapping[str, DiscoveredField] = field(default_factory=dict)

    @property
    def known(self) -> Config:
        """All that was known of it when it ended."""
        return self.config | {path: discovered.value for path, discovered in self.discovered.items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a field comes from; it was so at least since, where it was there already or was discovered."""

    kind: str
    since: datetime
    version: int
    run_id: int | None
    changed_by_id: str | None = None
    changed_by_name: str | None = None


@dataclass(frozen=True, slots=True)
class Blamed:
    """A field, its value, and where that comes from."""

    field: str
    value: FieldValue
    origin: Origin


def blame(versions: Sequence[ObservedVersion]) -> list[Blamed]:
    """Return every field that is known; `versions` are all of them, oldest first."""
    origins: dict[str, Origin] = {}
    known: Config = {}
    for seen in versions:
        by = (seen.changed_by_id, seen.changed_by_name)
        own = Origin(seen.kind.value, seen.valid_from, seen.version, seen.run_id, *by)
        beside = Origin(DISCOVERED, seen.observed_at, seen.version, seen.run_id)
        changed = seen.config if seen.version == 1 else changed_in(known, seen)
        origins |= dict.fromkeys(changed, own)
        origins = dict.fromkeys(seen.config, beside) | origins
        for path, discovered in seen.discovered.items():
            origins[path] = Origin(DISCOVERED, discovered.observed_at, seen.version, discovered.run_id)
        known = seen.known
    return [Blamed(path, known[path], origins[path]) for path in displayed_fields(known)]


def changed_in(before: Config, seen: ObservedVersion) -> frozenset[str]:
    """Return the paths whose values a version changed; a return has no rows for them, only two documents."""
    if seen.kind is Kind.RESTORED:
        return frozenset(change.field for change in changed_fields(before, seen.config))
    return seen.changed
