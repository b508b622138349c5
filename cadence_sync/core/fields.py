"""The configuration fields of a cadence that Zoho documents: their paths, types and labels.

A field is a value inside Zoho's nested object, named by its dotted path. Source of the names: Zoho's
"Get Cadences" reference for v7, and the v8 reference for `description` and `whatsapp_follow_up_count`.
"""

from enum import Enum


class FieldType(Enum):
    TEXT = "text"
    ID = "id"
    STATUS = "status"
    TYPE = "type"
    FLAG = "boolean"
    COUNT = "integer"
    INSTANT = "instant"
    DAY = "day"


UNENROLL = "execution_details.unenroll_properties"
UNIT = "execution_details.execute_every.unit"
PERIOD = "execution_details.execute_every.period"

FIELDS: dict[str, FieldType] = {
    "id": FieldType.ID,
    "name": FieldType.TEXT,
    "description": FieldType.TEXT,
    "type": FieldType.TYPE,
    "status": FieldType.STATUS,
    "active": FieldType.FLAG,
    "published": FieldType.FLAG,
    "module.id": FieldType.ID,
    "custom_view.id": FieldType.ID,
    "created_time": FieldType.INSTANT,
    "created_by.id": FieldType.ID,
    "modified_time": FieldType.INSTANT,
    "modified_by.id": FieldType.ID,
    "summary.email_follow_up_count": FieldType.COUNT,
    "summary.task_follow_up_count": FieldType.COUNT,
    "summary.call_follow_up_count": FieldType.COUNT,
    "summary.whatsapp_follow_up_count": FieldType.COUNT,
    "execution_details.type": FieldType.TEXT,
    "execution_details.end_date": FieldType.DAY,
    "execution_details.automatic_unenroll": FieldType.FLAG,
    UNIT: FieldType.COUNT,
    PERIOD: FieldType.TEXT,
    f"{UNENROLL}.type": FieldType.TEXT,
    f"{UNENROLL}.end_date": FieldType.DAY,
}
"""Every field but the array form of `unenroll_properties`, which is one field of its own: `UNENROLL`."""

LABELS: dict[str, str] = {
    "module.api_name": "module.id",
    "custom_view.name": "custom_view.id",
    "created_by.name": "created_by.id",
    "modified_by.name": "modified_by.id",
}
"""Names of things that have an id: displayed and refreshed, but not part of the history. Value: the id's path."""

OBJECTS = frozenset(path[: path.rindex(".")] for path in (*FIELDS, *LABELS) if "." in path) | {"execution_details"}
"""Paths at which Zoho sends an object (or null)."""

KNOWN_WORDS: dict[str, frozenset[str]] = {
    "type": frozenset({"custom_view", "manual_enrollment"}),
    "status": frozenset({"active", "inactive", "draft"}),
    PERIOD: frozenset({"immediately", "hours", "days", "weeks"}),
}
"""Words seen so far. Another word is stored unchanged and recorded as drift."""
