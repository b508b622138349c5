"""Alert events, enriched when they are sent. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from cadence_sync.core.records import FieldChange


class Event(StrEnum):
    CHANGE = "change"
    HELD = "deletions_held"
    DECIDED = "deletions_reviewed"
    FAILING = "failing"
    RECOVERED = "recovered"
    STALE = "stale"
    FRESH = "fresh"
    TEST = "test"
    """A person tries a channel."""


ENDS: Final = {Event.FAILING: Event.RECOVERED, Event.STALE: Event.FRESH}
"""The event that ends the episode which another began."""


_PEOPLE: Final = frozenset({"created_by.id", "modified_by.id"})
"""Fields whose labels are names of people."""


class HoldState(StrEnum):
    """State of held deletions at the time of sending."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    REPLACED = "replaced"
    """A newer hold covers other deletions."""
    SETTLED = "settled"
    """They reappeared, or were deleted by a run that was allowed to."""


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One event of a message, as the outbox loads it and as channels render it."""

    event: Event
    key: str
    org_id: str
    at: datetime
    cadence_id: str | None = None
    version: int | None = None
    kind: str | None = None
    name: str | None = None
    changes: Sequence[FieldChange] = ()
    changed_by_id: str | None = None
    changed_by_name: str | None = None
    run_id: int | None = None
    count: int = 0
    """Cadences that are held, or that were reviewed."""
    names: Sequence[str] = ()
    """Some of the cadences that are held."""
    hold_state: HoldState = HoldState.OPEN
    is_over: bool = False
    """Whether the episode has ended since: syncs succeed again, or the copy is up to date again."""
    decision: str | None = None
    decided_by: str | None = None
    error_code: str | None = None
    error: str | None = None
    hint: str | None = None
    hides_names: bool = False

    def without_names(self) -> "AlertEvent":
        """Returns the event without names of people; their ids at Zoho stay."""
        changes = [
            change._replace(old_label=None, new_label=None) if change.field in _PEOPLE else change
            for change in self.changes
        ]
        return replace(self, changes=changes, changed_by_name=None, decided_by=None, hides_names=True)
