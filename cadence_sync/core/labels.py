"""Titles of fields, words for kinds of versions, and the two time axes, as people read them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cadence_sync.core.fields import PERIOD, UNENROLL, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadence_sync.core.records import Config, FieldChange


class Axis(StrEnum):
    """The time by which a past state is looked up."""

    VALID = "valid"
    """As it was: by when it was so in Zoho, as well as is known."""
    OBSERVED = "observed"
    """As known then: by when a sync saw it."""


KIND_WORDS: Final = {
    "baseline": "was there when watching began",
    "created": "created",
    "updated": "changed",
    "deleted": "deleted",
    "restored": "came back after it was deleted",
}
KIND_BADGES: Final = KIND_WORDS | {"restored": "came back"}
KIND_PLURALS: Final = KIND_WORDS | {
    "baseline": "were there when watching began",
    "restored": "came back after they were deleted",
}
CHANGE_KINDS: Final = tuple(kind for kind in KIND_WORDS if kind != "baseline")
"""Kinds of versions that are changes, in the order of filters and legends."""

FIELD_TITLES: Final = {
    "name": "Name",
    "description": "Description",
    "type": "How records enter",
    "status": "Status",
    "active": "Active",
    "published": "Published",
    "module.id": "Module",
    "custom_view.id": "View",
    "created_time": "Created",
    "created_by.id": "Created by",
    "modified_time": "Last edited",
    "modified_by.id": "Last edited by",
    "summary.email_follow_up_count": "E-mails",
    "summary.task_follow_up_count": "Tasks",
    "summary.call_follow_up_count": "Calls",
    "summary.whatsapp_follow_up_count": "WhatsApp messages",
    "execution_details.type": "When it ends",
    "execution_details.end_date": "Ends on",
    "execution_details.automatic_unenroll": "Records leave by themselves",
    UNIT: "Executed every (number)",
    PERIOD: "Executed every (period)",
    f"{UNENROLL}.type": "Rule by which records leave",
    f"{UNENROLL}.end_date": "Records leave on",
    UNENROLL: "Rules by which records leave",
}
"""Every known field in the order in which settings are displayed, with its title."""

INVISIBLE_EDIT: Final = "edited, but in no field that the list shows"
AUDIT_FIELDS: Final = frozenset({"modified_time", "modified_by.id"})
"""Fields that change with every edit."""
UNNAMED: Final = "(without a name)"
_WORDS: Final = frozenset({"type", PERIOD, "execution_details.type", f"{UNENROLL}.type"})
"""Fields whose values are words of Zoho's, such as `complete_task`."""
_PLACES: Final = {path: place for place, path in enumerate(FIELD_TITLES)}


def field_title(path: str) -> str:
    return FIELD_TITLES.get(path, path)


def humanize(path: str, value: str) -> str:
    """Replaces the underscores in Zoho's words."""
    return value.replace("_", " ") if path in _WORDS else value


def displayed_fields(config: "Config") -> list[str]:
    """Returns the known paths in display order, of `unenroll_properties` only those of the form that it has."""
    hidden = {f"{UNENROLL}.type", f"{UNENROLL}.end_date"} if isinstance(config.get(UNENROLL), list) else {UNENROLL}
    return [path for path in FIELD_TITLES if path in config and path not in hidden]


def visible_changes(changes: "Iterable[FieldChange]") -> list["FieldChange"]:
    """Returns the changes that say what an edit was, in display order."""
    shown = [change for change in changes if change.field not in AUDIT_FIELDS]
    return sorted(shown, key=lambda change: _PLACES.get(change.field, len(_PLACES)))


def display_name(text: str | None) -> str:
    """Returns a name that is visible and can be clicked."""
    if text is None or not any(character.isprintable() and not character.isspace() for character in text):
        return UNNAMED
    return text


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
