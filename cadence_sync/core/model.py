"""What the rules talk about: a cadence as a listing showed it, as it is stored, and a whole listing."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

Leaf: TypeAlias = str | int | bool | list[object] | None
Config: TypeAlias = dict[str, Leaf]
"""Leaf path → value. A path that is missing was never sent; `None` was sent as null or as "".

Instants are ISO 8601 strings in UTC, days are `YYYY-MM-DD`: both compare and serialise as they stand.
"""

Labels: TypeAlias = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One cadence as one listing showed it; `raw` is the record's JSON text, to the byte."""

    cadence_id: str
    config: Config
    labels: Labels
    extra: dict[str, object]
    raw: bytes
    digest: bytes
    drift: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that cannot be stored faithfully; `cadence_id` is None where not even the id is readable."""

    cadence_id: str | None
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What Zoho says of a page; `count` is of this page, not of the organisation."""

    page: int
    per_page: int
    count: int
    more_records: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One decoded page: `info` is None for the empty 204 answer."""

    info: PageInfo | None
    records: tuple[Sighting | Quarantined, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete, self-consistent walk over an organisation's cadences."""

    started_at: datetime
    sightings: dict[str, Sighting]
    quarantined: tuple[Quarantined, ...] = ()
    pages: int = 0
    refused_per_page: int | None = None

    @property
    def quarantined_ids(self) -> frozenset[str]:
        """Ids that are there although their records are unreadable."""
        return frozenset(q.cadence_id for q in self.quarantined if q.cadence_id is not None)

    @property
    def hides_ids(self) -> bool:
        """Whether some record's id is unreadable, so that nobody can be called missing."""
        return any(q.cadence_id is None for q in self.quarantined)

    @property
    def seen(self) -> int:
        """Distinct ids, and records whose ids are unreadable."""
        anonymous = sum(q.cadence_id is None for q in self.quarantined)
        return len(self.sightings.keys() | self.quarantined_ids) + anonymous


@dataclass(frozen=True, slots=True)
class Known:
    """A cadence as the store holds it: its open version, and what was learnt since that began."""

    cadence_id: str
    version: int
    deleted: bool
    valid_from: datetime
    config: Config
    labels: Labels
    extra: dict[str, object]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds of an organisation, small enough to be read whole at each run."""

    digests: dict[str, bytes] = field(default_factory=dict)
    """Live cadences: id → digest of the last sighting that was written."""
    deleted: frozenset[str] = frozenset()
