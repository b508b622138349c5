"""What the rules talk about: a cadence as a listing showed it and as it is stored, and a page of a listing."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec

FieldValue: TypeAlias = str | int | bool | list[object] | None
Config: TypeAlias = dict[str, FieldValue]
"""Leaf path → value. A path that is missing was never sent; `None` was sent as null or as "".

Instants are ISO 8601 strings in UTC, days are `YYYY-MM-DD`: both compare and serialize as they stand.
"""

Labels: TypeAlias = dict[str, str | None]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One cadence as one listing showed it; `raw` is the record's JSON text, to the byte."""

    cadence_id: str
    config: Config
    labels: Labels
    extra: dict[str, object]
    raw: bytes
    digest: bytes
    """Of `raw`: whoever sends the same bytes again says nothing new."""
    drift: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record that cannot be stored faithfully; `cadence_id` is None where not even the id is readable."""

    cadence_id: str | None
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What Zoho says of a page; `count` is of this page, not of the organization."""

    page: int
    per_page: int
    count: int
    more_records: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One decoded page: `info` is None for the empty 204 answer."""

    info: PageInfo | None
    records: tuple[Record | QuarantinedRecord, ...]
    """Records that are not stored to the byte."""
    unchanged: tuple[int, ...] = ()
    """Positions, in the index that the page was decoded against, of those that are."""

    def __len__(self) -> int:
        return len(self.records) + len(self.unchanged)


class StoredCadence(NamedTuple):
    """A cadence as the store holds it, its objects as JSON text: `document.load_state` reads them."""

    cadence_id: str
    version: int
    deleted: bool
    valid_from: datetime
    document: str
    """Of the open version."""
    discovered: str
    """Leaves that became known since."""
    extra: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class CurrentState:
    """What the store holds of a cadence: its open version, and what was discovered since that began."""

    cadence_id: str
    version: int
    deleted: bool
    valid_from: datetime
    config: Config
    labels: Labels
    extra: dict[str, object]
