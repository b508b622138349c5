"""The records of a made-up organization, before an API version renders them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

Period: TypeAlias = Literal["immediately", "hours", "days", "weeks"]

_DRAFT_OFFSET = 500


@dataclass(slots=True)
class User:
    """Shared by every cadence that names the user, so that one new label shows everywhere."""

    id: str
    name: str


@dataclass(slots=True)
class Module:
    id: str
    api_name: str


@dataclass(slots=True)
class View:
    """A custom view of one module; shared like `User`."""

    id: str
    name: str
    module: Module


@dataclass(frozen=True, slots=True)
class Counts:
    """Steps by kind; v7 has no field for WhatsApp."""

    email: int = 0
    task: int = 0
    call: int = 0
    whatsapp: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """How often a cadence enrolls and when it unenrolls; `unit` is None for `immediately`.

    `end_date` is `YYYY-MM-DD` or "". `revenue` is the value of a criteria rule or ""; only v8's single cadence
    shows such rules.
    """

    period: Period
    unit: int | None
    unenroll: str
    end_date: str = ""
    automatic: bool = False
    revenue: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a cadence or its draft, with the name at that time."""

    id: str
    name: str


@dataclass(slots=True)
class Cadence:
    """One cadence; before the first edit `modified_time` may be None, and `modified_by` is the creator."""

    id: str
    name: str
    description: str
    module: Module
    type: Literal["custom_view", "manual_enrollment"]
    active: bool
    published: bool
    counts: Counts
    created_time: datetime
    created_by: User
    modified_time: datetime | None
    modified_by: User
    view: View | None = None
    execution: Execution | None = None
    draft: Ref | None = None
    parent: Ref | None = None

    @property
    def status(self) -> str:
        """Zoho's life cycle: a draft was never published, an inactive cadence was."""
        if self.active:
            return "active"
        return "inactive" if self.published else "draft"

    def with_draft(self) -> "Cadence":
        return replace(self, draft=Ref(draft_id(self.id), self.name))

    def as_draft(self) -> "Cadence":
        """Returns the unpublished copy that Zoho keeps of an edited published cadence."""
        return replace(
            self, id=draft_id(self.id), active=False, published=False, draft=None, parent=Ref(self.id, self.name)
        )


def draft_id(cadence_id: str) -> str:
    """Returns the id of a cadence's draft, inside the gap that `SimOrg` leaves after each cadence."""
    return str(int(cadence_id) + _DRAFT_OFFSET)


def parent_id(cadence_id: str) -> str:
    return str(int(cadence_id) - _DRAFT_OFFSET)
