"""What a complete listing says beside what is stored: versions, refreshed rows, and counts. Pure.

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
    """Why a version exists."""

    BASELINE = "baseline"
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class PriorState:
    """What earlier runs of the organization left behind that decides how new ids are read."""

    last_listed_at: datetime | None = None
    """Start of the last complete listing; None before the first."""
    quarantined: frozenset[str] = frozenset()
    """Ids, of those asked for, that were in quarantine before."""
    had_unreadable_ids: bool = False
    """Whether the last listing held a record whose id was unreadable."""


@dataclass(frozen=True, slots=True)
class CurrentRow:
    """The current state of a cadence after this run."""

    cadence_id: str
    config: Config
    labels: Labels
    extra: dict[str, object]
    digest: bytes | None
    """None leaves the stored one: the cadence was not listed."""
    objects: frozenset[str] = _ALL_OBJECTS
    """Top-level keys below which something is not as it is stored."""


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
    """A current row to rewrite without a version; `discovered` are leaves that became known of its open version."""

    row: CurrentRow
    version: int
    discovered: Config


@dataclass(slots=True)
class Plan:
    """What to write for some of a listing's cadences."""

    versions: list[Version] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    reencoded: list[CurrentRow] = field(default_factory=list)
    """What says in other bytes what is stored already."""
    drift: dict[str, str] = field(default_factory=dict)
    """Paths and words that are not known yet, each with a sample."""


def plan_listed(
    listing: Listing, records: Iterable[Record], known: Mapping[str, CurrentState], past: PriorState
) -> Plan:
    """Decide what to write about cadences that were listed; `known` holds those of them that are stored."""
    plan = Plan()
    for record in records:
        plan.drift.update(reversed(record.drift))
        before = known.get(record.cadence_id)
        if before is None:
            plan.versions.append(_first_version(record, listing, past))
        elif before.deleted:
            plan.versions.append(_restored(record, before, listing, past))
        else:
            _compare(plan, record, before, listing, past)
    return plan


def plan_deleted(listing: Listing, known: Iterable[CurrentState]) -> Plan:
    """Delete cadences."""
    return Plan([_deleted(before, listing) for before in known])


def _first_version(record: Record, listing: Listing, past: PriorState) -> Version:
    row = CurrentRow(record.cadence_id, record.config, record.labels, record.extra, record.digest)
    if _was_there_before(record, listing, past):
        return Version(Kind.BASELINE, 1, listing.started_at, row, record.raw)
    began = _modified_within(record.config, listing, past)
    news = all(_is_news(record.config.get(path), listing, past) for path in ("created_time", "modified_time"))
    # What is seen is the last edit: of another's work the creator is not the author.
    by_creator = news and record.config.get("created_by.id") == record.config.get("modified_by.id")
    return Version(
        Kind.CREATED,
        1,
        began or listing.started_at,
        row,
        record.raw,
        (FieldChange("*", None, None),),
        *(_person("created_by", record) if by_creator else (None, None)),
    )


def _was_there_before(record: Record, listing: Listing, past: PriorState) -> bool:
    """A record that was unreadable until now was not created now, and nobody knows what it was before."""
    if past.last_listed_at is None or record.cadence_id in past.quarantined:
        return True
    return past.had_unreadable_ids and _within(record.config.get("created_time"), listing, past) is None


def _restored(record: Record, before: CurrentState, listing: Listing, past: PriorState) -> Version:
    row = _merge(record, before)
    moved = _moved_forward(before.config, row.config, listing, past)
    return Version(
        Kind.RESTORED,
        before.version + 1,
        _begins(before, row.config, listing, past),
        row,
        record.raw,
        (FieldChange("*", None, None),),
        *(_person("modified_by", record) if moved else (None, None)),
    )


def _compare(plan: Plan, record: Record, before: CurrentState, listing: Listing, past: PriorState) -> None:
    """Append a version where configuration changed, a refresh where only labels did or a field was discovered."""
    row = _merge(record, before)
    changes = tuple(changed_fields(before.config, row.config))
    if changes:
        moved = _moved_forward(before.config, row.config, listing, past)
        begins = _begins(before, row.config, listing, past)
        by = _person("modified_by", record) if moved else (None, None)
        number = before.version + 1
        plan.versions.append(Version(Kind.UPDATED, number, begins, row, record.raw, changes, *by))
        return
    discovered = {path: leaf for path, leaf in row.config.items() if path not in before.config}
    if discovered or row.labels != before.labels or row.extra != before.extra:
        plan.refreshes.append(Refresh(row, before.version, discovered))
    else:
        plan.reencoded.append(row)


def _deleted(before: CurrentState, listing: Listing) -> Version:
    row = CurrentRow(before.cadence_id, before.config, before.labels, before.extra, None)
    begins = max(listing.started_at, before.valid_from + _TICK)
    return Version(Kind.DELETED, before.version + 1, begins, row, None, (FieldChange("*", None, None),))


def _merge(record: Record, before: CurrentState) -> CurrentRow:
    """Lay a record over what is known: a key that was not sent keeps its value."""
    config = before.config | record.config
    labels = before.labels | record.labels
    for label, id_path in LABELS.items():
        if label not in record.labels and config.get(id_path) != before.config.get(id_path):
            labels[label] = None  # the name of another thing than the one that is there now
    extra = _merge_extra(before.extra, record.extra)
    new = (path for path, leaf in config.items() if path not in before.config or before.config[path] != leaf)
    objects = frozenset(path.partition(".")[0] for path in new)
    return CurrentRow(record.cadence_id, config, labels, extra, record.digest, objects)


def _merge_extra(before: dict[str, object], now: dict[str, object]) -> dict[str, object]:
    merged = before | now
    for key, value in now.items():
        held = before.get(key)
        if isinstance(value, dict) and isinstance(held, dict):
            merged[key] = _merge_extra(held, value)
    return merged


def _begins(before: CurrentState, config: Config, listing: Listing, past: PriorState) -> datetime:
    """Return when the new version begins: Zoho's time where it is evidence, else when it was observed."""
    moved = _moved_forward(before.config, config, listing, past)
    alert = _modified_within(config, listing, past) if moved else None
    return max(alert or listing.started_at, before.valid_from + _TICK)


def _moved_forward(before: Config, now: Config, listing: Listing, past: PriorState) -> bool:
    """Whether Zoho says that somebody edited the cadence since: only then is its last editor the one."""
    if "modified_time" not in before:
        return False
    old, new = _instant(before.get("modified_time")), _instant(now.get("modified_time"))
    if old is None:
        # After a null only a time since the last listing is news: an old one may have been there before.
        return _is_news(now.get("modified_time"), listing, past)
    return new is not None and new > old


def _modified_within(config: Config, listing: Listing, past: PriorState) -> datetime | None:
    return _within(config.get("modified_time"), listing, past)


def _within(leaf: FieldValue, listing: Listing, past: PriorState) -> datetime | None:
    """Return the instant if it lies after the start of the last listing and not after the start of this one."""
    instant = _instant(leaf)
    if instant is None or past.last_listed_at is None:
        return None
    return instant if past.last_listed_at < instant <= listing.started_at else None


def _is_news(leaf: FieldValue, listing: Listing, past: PriorState) -> bool:
    """Whether Zoho dates an edit after the last listing.

    It cuts off fractions of a second, so theirs count as later.
    """
    instant = _instant(leaf)
    if instant is None or past.last_listed_at is None:
        return False
    return past.last_listed_at.replace(microsecond=0) <= instant <= listing.started_at


def _instant(leaf: FieldValue) -> datetime | None:
    return datetime.fromisoformat(leaf) if isinstance(leaf, str) else None


def _person(role: str, record: Record) -> tuple[str | None, str | None]:
    """Return who this listing names: an editor known from an earlier one did something else."""
    identity = record.config.get(f"{role}.id")
    return (identity if isinstance(identity, str) else None), record.labels.get(f"{role}.name")
