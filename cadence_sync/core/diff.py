"""Compares a complete listing with the stored state: which versions to append and which current rows to refresh.

The rules are explained for readers of the data in `docs/explanation/history.md`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cadence_sync.core.canonical import changed_fields
from cadence_sync.core.fields import LABELS, OBJECTS
from cadence_sync.core.listing import Listing
from cadence_sync.core.records import Config, CurrentState, FieldChange, FieldValue, Labels, Record

_TICK: Final = timedelta(microseconds=1)
_ALL_OBJECTS: Final = frozenset(path.partition(".")[0] for path in OBJECTS)


class Kind(StrEnum):
    BASELINE = "baseline"
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class PriorState:
    """What earlier runs left behind that decides the kind of a new id's first version."""

    last_listed_at: datetime | None = None
    """Start of the last complete listing; None before the first."""
    quarantined: frozenset[str] = frozenset()
    """Those of the new ids that were in quarantine before."""
    had_unreadable_ids: bool = False
    """Whether the last listing held a record whose id was unreadable."""


_WHOLE: Final = (FieldChange("*", None, None),)


@dataclass(frozen=True, slots=True)
class CurrentRow:
    cadence_id: str
    config: Config
    labels: Labels
    extra: dict[str, object]
    digest: bytes | None
    """None leaves the stored one: the cadence was not listed."""
    objects: frozenset[str] = _ALL_OBJECTS
    """Top-level keys below which a stored value changed."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version to append; `raw` is None where no record was received."""

    kind: Kind
    number: int
    valid_from: datetime
    row: CurrentRow
    raw: bytes | None
    changes: tuple[FieldChange, ...] = ()
    changed_by_id: str | None = None
    changed_by_name: str | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """A current row to rewrite without a version; `discovered` are the new fields of its open version."""

    row: CurrentRow
    version: int
    discovered: Config


@dataclass(slots=True)
class Plan:
    versions: list[Version] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    reencoded: list[CurrentRow] = field(default_factory=list)
    """Rows that are stored already and came in other bytes."""
    drift: dict[str, str] = field(default_factory=dict)
    """Paths that are unknown or hold unknown words, each with a sample."""


def plan_listed(
    listing: Listing, records: Iterable[Record], known: Mapping[str, CurrentState], past: PriorState
) -> Plan:
    plan, window = Plan(), _Window(past.last_listed_at, listing.started_at)
    for record in records:
        plan.drift.update(reversed(record.drift))
        before = known.get(record.cadence_id)
        if before is None:
            plan.versions.append(_first_version(record, past, window))
        elif before.deleted:
            row = _merge(record, before)
            plan.versions.append(_next_version(Kind.RESTORED, record, before, row, _WHOLE, window))
        else:
            _compare(plan, record, before, window)
    return plan


def plan_deleted(listing: Listing, known: Iterable[CurrentState]) -> Plan:
    return Plan([_deleted(before, listing.started_at) for before in known])


@dataclass(frozen=True, slots=True)
class _Window:
    """The time from the start of the last complete listing, None before the first, to the start of this one."""

    opened: datetime | None
    closed: datetime

    def instant(self, value: FieldValue) -> datetime | None:
        instant = _instant(value)
        if instant is None or self.opened is None:
            return None
        return instant if self.opened < instant <= self.closed else None

    def may_include(self, value: FieldValue) -> bool:
        """Returns whether an edit may lie in the window: Zoho cuts off fractions of a second."""
        instant = _instant(value)
        if instant is None or self.opened is None:
            return False
        return self.opened.replace(microsecond=0) <= instant <= self.closed


def _first_version(record: Record, past: PriorState, window: _Window) -> Version:
    row = CurrentRow(record.cadence_id, record.config, record.labels, record.extra, record.digest)
    if _existed_before(record, past, window):
        return Version(Kind.BASELINE, 1, window.closed, row, record.raw)
    begins = window.instant(record.config.get("modified_time")) or window.closed
    is_new = all(window.may_include(record.config.get(path)) for path in ("created_time", "modified_time"))
    # The record shows the last edit: where that is another user's, the creator is not its author.
    by_creator = is_new and record.config.get("created_by.id") == record.config.get("modified_by.id")
    by = _person("created_by", record) if by_creator else (None, None)
    return Version(Kind.CREATED, 1, begins, row, record.raw, _WHOLE, *by)


def _existed_before(record: Record, past: PriorState, window: _Window) -> bool:
    """A record that was unreadable until now is not a new cadence."""
    if window.opened is None or record.cadence_id in past.quarantined:
        return True
    return past.had_unreadable_ids and window.instant(record.config.get("created_time")) is None


def _compare(plan: Plan, record: Record, before: CurrentState, window: _Window) -> None:
    row = _merge(record, before)
    changes = tuple(changed_fields(before.config, row.config))
    if changes:
        plan.versions.append(_next_version(Kind.UPDATED, record, before, row, changes, window))
        return
    discovered = {path: value for path, value in row.config.items() if path not in before.config}
    if discovered or row.labels != before.labels or row.extra != before.extra:
        plan.refreshes.append(Refresh(row, before.version, discovered))
    else:
        plan.reencoded.append(row)


def _next_version(
    kind: Kind, record: Record, before: CurrentState, row: CurrentRow, changes: tuple[FieldChange, ...], window: _Window
) -> Version:
    """Begins at Zoho's time where that is evidence, else when the change was observed."""
    moved = _moved_forward(before.config, row.config, window)
    edited_at = window.instant(row.config.get("modified_time")) if moved else None
    begins = max(edited_at or window.closed, before.valid_from + _TICK)
    by = _person("modified_by", record) if moved else (None, None)
    return Version(kind, before.version + 1, begins, row, record.raw, changes, *by)


def _deleted(before: CurrentState, observed_at: datetime) -> Version:
    row = CurrentRow(before.cadence_id, before.config, before.labels, before.extra, None)
    return Version(Kind.DELETED, before.version + 1, max(observed_at, before.valid_from + _TICK), row, None, _WHOLE)


def _merge(record: Record, before: CurrentState) -> CurrentRow:
    """Lays a record over the stored state: a key that was not sent keeps its value."""
    config = before.config | record.config
    labels = before.labels | record.labels
    for label, id_path in LABELS.items():
        if label not in record.labels and config.get(id_path) != before.config.get(id_path):
            labels[label] = None  # it names the former id
    extra = _merge_extra(before.extra, record.extra)
    new = (path for path, value in config.items() if path not in before.config or before.config[path] != value)
    objects = frozenset(path.partition(".")[0] for path in new)
    return CurrentRow(record.cadence_id, config, labels, extra, record.digest, objects)


def _merge_extra(before: dict[str, object], now: dict[str, object]) -> dict[str, object]:
    merged = before | now
    for key, value in now.items():
        held = before.get(key)
        if isinstance(value, dict) and isinstance(held, dict):
            merged[key] = _merge_extra(held, value)
    return merged


def _moved_forward(before: Config, now: Config, window: _Window) -> bool:
    """Returns whether `modified_time` moved forward: only then does `modified_by` name the editor of the change."""
    if "modified_time" not in before:
        return False
    old, new = _instant(before.get("modified_time")), _instant(now.get("modified_time"))
    if old is None:
        return window.may_include(now.get("modified_time"))  # an older time may have been hidden by the null
    return new is not None and new > old


def _instant(value: FieldValue) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _person(role: str, record: Record) -> tuple[str | None, str | None]:
    """Returns the id and name in this record: a user known from an earlier listing made another edit."""
    identity = record.config.get(f"{role}.id")
    return (identity if isinstance(identity, str) else None), record.labels.get(f"{role}.name")
