"""Finding where records begin and end in a body that a JSON decoder refuses.

A strict decoder gives up a whole page for one lone surrogate, one NaN or one nesting bomb. This scanner knows
strings and brackets only, needs no recursion, and so finds the borders that the others cannot.
"""

import re
from collections.abc import Iterator

# Possessive, and a string that is never closed ends with the body: so that no body takes quadratic time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)
_LIST_START = re.compile(rb"\s*:\s*\[")
_ID_VALUE = re.compile(rb'\s*:\s*(?:"(-?[0-9A-Za-z_-]{1,64})"|(-?[0-9]{1,64}))\s*[,}]')


class BordersError(ValueError):
    """The borders of the records cannot be found."""


def split_records(body: bytes, key: bytes = b"cadences") -> tuple[list[bytes], bytes]:
    """Return the records of the list under `key`, and the body with that list emptied."""
    start = _list_start(body, key)
    depth, record_start = 0, 0
    records: list[bytes] = []
    for token, position, end in _tokens(body, start):
        if token in b"{[":
            if depth == 0:
                record_start = position
            depth += 1
        elif token in b"}]":
            if depth == 0:
                return records, body[:start] + body[position:]
            depth -= 1
            if depth == 0:
                records.append(body[record_start:end])
    raise BordersError("the list of cadences does not end")


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
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
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
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == depth_wanted and body[position + 1 : end - 1] == key:
            yield end


def _tokens(body: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield brackets and strings, each as its first byte, its start and its end."""
    for match in _TOKEN.finditer(body, start):
        yield body[match.start() : match.start() + 1], match.start(), match.end()
