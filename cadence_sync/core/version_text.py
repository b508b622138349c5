"""Field changes and versions as text on one line, for terminals and commit messages. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.labels import AUDIT_FIELDS
from cadence_sync.core.records import FieldChange
from cadence_sync.core.text import one_line, value_in_words


def describe_field(change: FieldChange) -> str:
    return f"{change.field}: {value_in_words(change.old)} → {value_in_words(change.new)}"


def returned_with(before: Mapping[str, Any], document: Mapping[str, Any]) -> list[FieldChange]:
    """Returns the fields that differ between deletion and restore; the history has no rows of them."""
    return changed_fields(from_document(dict(before)), from_document(dict(document)))


def visible_changes(changes: Iterable[FieldChange]) -> list[FieldChange]:
    """Returns the changes that say what an edit was, in their own order."""
    return [change for change in changes if change.field not in AUDIT_FIELDS]


def draft_in_words(before: Mapping[str, Any] | None, version: Mapping[str, Any]) -> str | None:
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
    if not isinstance(reference, Mapping) or "id" not in reference:
        return None
    return one_line(f"{reference.get('name') or 'without a name'} ({reference['id']})")
