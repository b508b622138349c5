"""The history as people read it: titles of fields, words for kinds of versions, values and changes on one line."""

import json
import re
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cadence_sync.core.fields import PERIOD, UNENROLL, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""C0 without tab and line breaks, DEL, C1, line separators, and what reorders the text around it."""
_PLACES: Final = {path: place for place, path in enumerate(FIELD_TITLES)}


def field_title(path: str) -> str:
    return FIELD_TITLES.get(path, path)


def humanize(path: str, value: str) -> str:
    return value.replace("_", " ") if path in _WORDS else value


def displayed_fields(config: "Config") -> list[str]:
    """Returns the known paths in display order, of `unenroll_properties` only those of the form that it has."""
    hidden = {f"{UNENROLL}.type", f"{UNENROLL}.end_date"} if isinstance(config.get(UNENROLL), list) else {UNENROLL}
    return [path for path in FIELD_TITLES if path in config and path not in hidden]


def visible_changes(changes: "Iterable[FieldChange]") -> list["FieldChange"]:
    """Returns the changes that say what an edit was, in display order."""
    return sorted(without_audit_fields(changes), key=lambda change: _PLACES.get(change.field, len(_PLACES)))


def without_audit_fields(changes: "Iterable[FieldChange]") -> list["FieldChange"]:
    return [change for change in changes if change.field not in AUDIT_FIELDS]


def display_name(text: str | None) -> str:
    """Returns a name that is visible and can be clicked."""
    if text is None or not any(character.isprintable() and not character.isspace() for character in text):
        return UNNAMED
    return text


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{max(0, int(seconds))} s"


def one_line(value: object) -> str:
    """Renders a value for people; control characters cannot move the cursor or fake a line."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=json_default)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def replace_controls(text: str) -> str:
    """Returns text of several lines in which no character moves the cursor or reorders the text around it."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def render_json(value: object, *, for_terminal: bool = False) -> str:
    """Renders a JSON document; for a terminal in ASCII, since it would obey C1, DEL and bidi overrides."""
    return json.dumps(value, default=json_default, ensure_ascii=for_terminal, indent=2) + "\n"


def json_default(value: object) -> str:
    """Encodes for `json` what it has no form for: times as ISO 8601."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def value_in_words(value: Any) -> str:
    """Renders a value as the database spells it: `true`, not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else one_line(value)


def describe_field(change: "FieldChange") -> str:
    return f"{change.field}: {value_in_words(change.old)} → {value_in_words(change.new)}"


def draft_in_words(before: "Mapping[str, Any] | None", version: "Mapping[str, Any]") -> str | None:
    """Describes the draft that a v8 record names: publishing a draft merges it into its parent."""
    parent = _named(version.get("parent_cadence")) or (
        _named((before or {}).get("parent_cadence")) if version["kind"] == "deleted" else None
    )
    if parent is not None:
        gone = ": it was merged by publishing, or discarded" if version["kind"] == "deleted" else ""
        return f"a draft of {parent}{gone}"
    draft, had = _named(version.get("draft_cadence")), _named((before or {}).get("draft_cadence"))
    if draft is not None:
        return f"an unpublished draft of it is {draft}"
    if had is not None and version["kind"] != "deleted":
        return f"its draft {had} is no more: it was merged by publishing, or discarded"
    return None


def _named(reference: Any) -> str | None:
    if not isinstance(reference, dict) or "id" not in reference:
        return None
    return one_line(f"{reference.get('name') or 'without a name'} ({reference['id']})")
