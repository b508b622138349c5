"""Values that others have typed, as text in which nothing is active. Pure."""

import json
import re
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from cadence_sync.alerts.events import LabeledChange
from cadence_sync.core.fields import FIELDS, LABELS, FieldType
from cadence_sync.core.labels import field_title, humanize

LONGEST: Final = 200
"""Characters of a name or a value that a text shows."""
EMPTY: Final = "(empty)"
IDS: Final = frozenset(LABELS.values())
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATED: Final = "\N{FIRST STRONG ISOLATE}{}\N{POP DIRECTIONAL ISOLATE}"
_JOINER: Final = "\N{WORD JOINER}"
_JOINS: Final = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}
"""What makes one picture of several, and words of Persian and Hindi: it moves nothing."""
_UNSEEN: Final = "\N{REPLACEMENT CHARACTER}"
_ACTIVE = re.compile(r"(?<=[@<!#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\])(?=\()|(?<=([*_~|`]))(?=\1)", re.IGNORECASE)
"""Places at which services begin a mention, a tag, a channel or a link, or hide or strike through what follows."""


def sanitize(value: object) -> str:
    """Return a value on one line, in which nothing is active and nothing moves the cursor or what stands around it."""
    if value is None:
        return EMPTY
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    printable = "".join(_plain(char) for char in shown)
    inert = _ACTIVE.sub(_JOINER, printable)
    # Else two Hebrew values would swap places around the arrow between them.
    turns = any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in inert)
    return _ISOLATED.format(inert) if turns else inert


def _plain(char: str) -> str:
    """Return a character, or what stands for it: every blank is one, and nothing else that is unseen is let through."""
    if char.isprintable() or char in _JOINS:
        return char
    return " " if unicodedata.category(char) == "Zs" else _UNSEEN


def format_change(change: LabeledChange) -> str:
    """Return `title: old → new` on one line."""
    path, old, new, *labels = change
    if labels[0] == labels[1]:  # two things of one name
        labels = [label and f"{label} ({given})" for label, given in zip(labels, (old, new), strict=True)]
    shown = [_value(path, given, label) for given, label in zip((old, new), labels, strict=True)]
    return f"{sanitize(field_title(path))}: {' → '.join(shown)}"


def _value(path: str, given: object, label: str | None) -> str:
    """Return a value as the web UI words it: a name instead of an id, a time of day in UTC."""
    if given == "":  # as good as nothing
        return EMPTY
    if isinstance(given, bool):
        return "yes" if given else "no"
    if path in IDS and label:
        return sanitize(label)
    if FIELDS.get(path) is FieldType.INSTANT and isinstance(given, str):
        with suppress(ValueError, OverflowError):
            return format_time(datetime.fromisoformat(given).astimezone(UTC))
    return sanitize(humanize(path, given) if isinstance(given, str) else given)


def format_time(at: datetime) -> str:
    """Return a time as messages show it: they do not know the reader's zone."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
