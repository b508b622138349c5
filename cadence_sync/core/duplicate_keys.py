"""Keys that come twice in one object: decoders keep the last value and say nothing of the others.

Every string of a JSON text takes two quotes. A decoded document that is written out again with fewer quotes than
it was read from has lost something on the way, and only then is the text read closely.
"""

import json
from collections.abc import Iterable
from typing import Final

import msgspec

from cadence_sync.core.converters import UnreadableError

_QUOTE: Final = b'"'
_ESCAPED_QUOTE: Final = rb"\u0022"


def check_keys(raw: bytes, document: object) -> None:
    """Raise `UnreadableError` where a key came with two different values; `document` is `raw` decoded."""
    if _ESCAPED_QUOTE in raw or raw.count(_QUOTE) != msgspec.json.encode(document).count(_QUOTE):
        json.loads(raw, object_pairs_hook=_object)


def may_repeat_keys(raw: bytes) -> bool:
    """Whether an object may have a key of its own, no deeper, more than once."""
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if any('"' in key for key in fields):  # it may have been written as an escape: there is no telling
        return True
    kept = 2 * len(fields) + sum(bytes(value).count(_QUOTE) for value in fields.values())
    return raw.count(_QUOTE) != kept


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found and _text(found[key]) != _text(value):
            raise UnreadableError(f"the key {key[:100]!r} comes twice with different values")
        found[key] = value
    return found


def _text(value: object) -> str:
    """Tell 1 from true: to Python they are equal."""
    return json.dumps(value, sort_keys=True)
