"""Finding where records begin and end in a body that a JSON decoder refuses.

A strict decoder gives up a whole page for one lone surrogate, one NaN or one nesting bomb. This scanner knows
strings and brackets only, needs no recursion, and so finds the borders that the others cannot.
"""

import re
from collections.abc import Iterator

# Possessive, and a string that is never closed ends with the body: so that no body takes quadratic time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)
_LIST_START = re.compile(rb"\s*:\s*\[")
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_ID_VALUE = re.compile(rb'\s*:\s*(?:"(-?[0-9A-Za-z_-]{1,64})"|(-?[0-9]{1,64}))\s*[,}]')


class BordersError(ValueError):
    """The borders of the records cannot be found."""


def split_records(body: bytes, key: bytes = b"cadences") -> tuple[list[bytes], bytes]:
    """Return the records of the list under `key`, and the body with that list emptied."""
    start = _list_start(body, key)
    depth, record_start, record_end = 0, start, start
    records: list[bytes] = []
    for token, position, end in _tokens(body, start):
        if depth == 0:
            records += _scalars(body[record_end:position])
            if token in b"}]":
                return records, body[:start] + body[position:]
            record_start = position
        depth += _STEP.get(token, 0)
        if depth == 0:
            records.append(body[record_start:end])
            record_end = end
    raise BordersError("the list of cadences does not end")


def _scalars(between: bytes) -> list[bytes]:
    """Return what stands between two records but for commas: numbers and words where objects belong."""
    return [scalar for piece in between.split(b",") if (scalar := piece.strip())]


def top_level_id(record: bytes) -> str | None:
    """Return the record's own id where exactly one can be read, even if the rest of it cannot."""
    found = {
        (match[1] or match[2]).decode("ascii")
        for end in _ends_of_keys(record, b"id", depth_wanted=1)
        if (match := _ID_VALUE.match(record, end))
    }
    return found.pop() if len(found) == 1 else None


def nests_deeper(record: bytes, limit: int) -> bool:
    """Whether brackets stand within brackets more than `limit` deep."""
    if record.count(b"{") + record.count(b"[") <= limit:
        return False
    depth = 0
    for token, _, _ in _tokens(record, 0):
        depth += _STEP.get(token, 0)
        if depth > limit:
            return True
    return False


def _list_start(body: bytes, key: bytes) -> int:
    for end in _ends_of_keys(body, key, depth_wanted=1):
        if match := _LIST_START.match(body, end):
            return match.end()
    raise BordersError("there is no list of cadences")


def _ends_of_keys(body: bytes, key: bytes, *, depth_wanted: int) -> Iterator[int]:
    """Yield where each string equal to `key` ends at that depth."""
    depth = 0
    for token, position, end in _tokens(body, 0):
        depth += _STEP.get(token, 0)
        if token == b'"' and depth == depth_wanted and body[position + 1 : end - 1] == key:
            yield end


def _tokens(body: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield brackets and strings, each as its first byte, its start and its end."""
    for match in _TOKEN.finditer(body, start):
        yield body[match.start() : match.start() + 1], match.start(), match.end()
