"""Of each field of a cadence: which version gave it its value. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cadence_sync.core.diff import Kind
from cadence_sync.core.document import changed_leaves
from cadence_sync.core.fields import LEAVES, UNENROLL
from cadence_sync.core.model import Config, Leaf


@dataclass(frozen=True, slots=True)
class Seen:
    """One version of a cadence, and what its change rows say."""

    version: int
    kind: Kind
    valid_from: datetime
    run_id: int
    config: Config
    changed: frozenset[str] = frozenset()
    """Paths that have a row of their own; only `updated` versions have such rows."""
    changed_by_id: str | None = None
    changed_by_name: str | None = None


@dataclass(frozen=True, slots=True)
class Blamed:
    """A field, its value, and the version that gave it; None for a field that was learnt: nobody knows since when."""

    field: str
    value: Leaf
    origin: Seen | None


def blame(versions: Sequence[Seen], learnt: Config) -> list[Blamed]:
    """Return every field that is known; `versions` are all of them, oldest first, `learnt` is newer than the last."""
    origins: dict[str, Seen | None] = {}
    before: Config = {}
    for seen in versions:
        changed = changed_in(before, seen)
        for path in seen.config:
            if seen.version == 1 or path in changed:
                origins[path] = seen
            else:
                origins.setdefault(path, None)
        before = seen.config
    now = before | learnt
    return [Blamed(path, now[path], origins.get(path)) for path in _shown(now)]


def changed_in(before: Config, seen: Seen) -> frozenset[str]:
    """Return the paths whose values a version changed; a return has no rows for them, only two documents."""
    if seen.kind is Kind.RESTORED:
        return frozenset(path for path, _, _ in changed_leaves(before, seen.config))
    return seen.changed


def _shown(config: Config) -> list[str]:
    """Return the known paths in Zoho's order, of `unenroll_properties` only those of the form that it has."""
    hidden = {f"{UNENROLL}.type", f"{UNENROLL}.end_date"} if isinstance(config.get(UNENROLL), list) else {UNENROLL}
    return [path for path in (*LEAVES, UNENROLL) if path in config and path not in hidden and path != "id"]
