"""Titles of fields and words for values, as the web UI and messages show them."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from cadence_sync.core.fields import PERIOD, UNENROLL, UNIT

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

INVISIBLE_EDIT: Final = "edited, but in no field that the list shows"
AUDIT_FIELDS: Final = frozenset({"modified_time", "modified_by.id"})
"""Fields that change with every edit."""
UNNAMED: Final = "(without a name)"
_WORDS: Final = frozenset({"type", PERIOD, "execution_details.type", f"{UNENROLL}.type"})
"""Fields whose values are Zoho's words, such as `complete_task`."""
_PLACES: Final = {path: place for place, path in enumerate(FIELD_TITLES)}


class _HasField(Protocol):
    @property
    def field(self) -> str: ...


F = TypeVar("F", bound=_HasField)


def field_title(path: str) -> str:
    """Returns a field's title; an unknown field has only its path."""
    return FIELD_TITLES.get(path, path)


def humanize(path: str, value: str) -> str:
    return value.replace("_", " ") if path in _WORDS else value


def visible_changes(fields: Sequence[F]) -> list[F]:
    """Returns the fields other than `AUDIT_FIELDS`, in the order of `FIELD_TITLES`."""
    shown = [field for field in fields if field.field not in AUDIT_FIELDS]
    return sorted(shown, key=lambda field: _PLACES.get(field.field, len(_PLACES)))


def display_name(text: str | None) -> str:
    """Returns a name that is visible and clickable, even if it consists of blanks."""
    if text is None or not any(character.isprintable() and not character.isspace() for character in text):
        return UNNAMED
    return text


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
