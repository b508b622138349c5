"""What may be told of: events with what is known of them when they are sent. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cadence_sync.alerts.routing import Event
from cadence_sync.core.records import FieldChange


class HoldState(StrEnum):
    """What became of held deletions until they are told of."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    REPLACED = "replaced"
    """A newer case holds other deletions."""
    SETTLED = "settled"
    """They reappeared, or were deleted by a run that was allowed to."""


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One event, with what is known of it when it is sent."""

    event: Event
    key: str
    org_id: str
    at: datetime
    cadence_id: str | None = None
    version: int | None = None
    kind: str | None = None
    name: str | None = None
    changes: tuple[FieldChange, ...] = ()
    changed_by_id: str | None = None
    changed_by_name: str | None = None
    run_id: int | None = None
    count: int = 0
    """Cadences that are held, or were decided about."""
    names: tuple[str, ...] = ()
    """Some of those that are held."""
    hold_state: HoldState = HoldState.OPEN
    is_over: bool = False
    """Whether syncs work again, or the copy is read again, since."""
    decision: str | None = None
    decided_by: str | None = None
    error_code: str | None = None
    error: str | None = None
    hint: str | None = None

    @property
    def has_author(self) -> bool:
        """Whether Zoho told who made the change."""
        return self.changed_by_name is not None or self.changed_by_id is not None
