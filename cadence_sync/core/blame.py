"""Of each field of a cadence: which version gave it its value, or which run learnt it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cadence_sync.core.diff import Kind
from cadence_sync.core.document import changed_leaves
from cadence_sync.core.fields import LEAVES, UNENROLL
from cadence_sync.core.model import Config, Leaf

LEARNT: Final = "learnt"
"""Stands beside the kinds of versions for a field that Zoho had not sent before: it did not change."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """A field that became known after its version began; no run where an older release saw it."""

    value: Leaf
    observed_at: datetime
    run_id: int | None


@dataclass(frozen=True, slots=True)
class Seen:
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
    learnt: Mapping[str, Learnt] = field(default_factory=dict)

    @property
    def known(self) -> Config:
        """All that was known of it when it ended."""
        return self.config | {path: learnt.value for path, learnt in self.learnt.items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a field comes from; it was so at least since, where it was there already or was learnt."""

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
    value: Leaf
    origin: Origin


def blame(versions: Sequence[Seen]) -> list[Blamed]:
    """Return every field that is known; `versions` are all of them, oldest first."""
    origins: dict[str, Origin] = {}
    known: Config = {}
    for seen in versions:
        by = (seen.changed_by_id, seen.changed_by_name)
        own = Origin(seen.kind.value, seen.valid_from, seen.version, seen.run_id, *by)
        beside = Origin(LEARNT, seen.observed_at, seen.version, seen.run_id)
        changed = seen.config if seen.version == 1 else changed_in(known, seen)
        origins |= dict.fromkeys(changed, own)
        origins = dict.fromkeys(seen.config, beside) | origins
        for path, learnt in seen.learnt.items():
            origins[path] = Origin(LEARNT, learnt.observed_at, seen.version, learnt.run_id)
        known = seen.known
    return [Blamed(path, known[path], origins[path]) for path in _shown(known)]


def changed_in(before: Config, seen: Seen) -> frozenset[str]:
    """Return the paths whose values a version changed; a return has no rows for them, only two documents."""
    if seen.kind is Kind.RESTORED:
        return frozenset(path for path, _, _ in changed_leaves(before, seen.config))
    return seen.changed


def _shown(config: Config) -> list[str]:
    """Return the known paths in Zoho's order, of `unenroll_properties` only those of the form that it has."""
    hidden = {f"{UNENROLL}.type", f"{UNENROLL}.end_date"} if isinstance(config.get(UNENROLL), list) else {UNENROLL}
    return [path for path in (*LEAVES, UNENROLL) if path in config and path not in hidden and path != "id"]
