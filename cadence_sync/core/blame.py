"""Blames each field of a cadence on the version that set its value, or on the run that discovered it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cadence_sync.core.canonical import changed_fields
from cadence_sync.core.diff import Kind
from cadence_sync.core.labels import displayed_fields
from cadence_sync.core.records import Config, FieldValue

DISCOVERED: Final = "discovered"
"""The kind of a field that Zoho had not sent before: it did not change."""


@dataclass(frozen=True, slots=True)
class DiscoveredField:
    """A field that became known after its version began; `run_id` is None where an older release stored it."""

    value: FieldValue
    observed_at: datetime
    run_id: int | None


@dataclass(frozen=True, slots=True)
class ObservedVersion:
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
        return self.config | {path: discovered.value for path, discovered in self.discovered.items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a field's value; `since` is a lower bound for a baseline and a discovered field."""

    kind: str
    since: datetime
    version: int
    run_id: int | None
    changed_by_id: str | None = None
    changed_by_name: str | None = None


@dataclass(frozen=True, slots=True)
class Blamed:
    field: str
    value: FieldValue
    origin: Origin


def blame(versions: Sequence[ObservedVersion]) -> list[Blamed]:
    """Returns every known field; `versions` are all of the cadence, oldest first."""
    origins: dict[str, Origin] = {}
    known: Config = {}
    for version in versions:
        number, by = version.version, (version.changed_by_id, version.changed_by_name)
        own = Origin(version.kind.value, version.valid_from, number, version.run_id, *by)
        discovered_with_it = Origin(DISCOVERED, version.observed_at, number, version.run_id)
        changed = version.config if number == 1 else _changed_in(known, version)
        origins |= dict.fromkeys(changed, own)
        origins = dict.fromkeys(version.config, discovered_with_it) | origins
        for path, discovered in version.discovered.items():
            origins[path] = Origin(DISCOVERED, discovered.observed_at, number, discovered.run_id)
        known = version.known
    return [Blamed(path, known[path], origins[path]) for path in displayed_fields(known)]


def _changed_in(before: Config, version: ObservedVersion) -> frozenset[str]:
    """Returns the changed paths; a restored version has no change rows for them, so its document is compared."""
    if version.kind is Kind.RESTORED:
        return frozenset(change.field for change in changed_fields(before, version.config))
    return version.changed
