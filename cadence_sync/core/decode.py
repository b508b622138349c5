"""Decodes pages: each record is recognized by its digest, decoded, or quarantined."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from cadence_sync.core.converters import UnreadableError
from cadence_sync.core.digest_index import EMPTY_INDEX, DigestIndex, digest_of
from cadence_sync.core.normalize import normalize_record
from cadence_sync.core.records import Page, PageInfo, QuarantinedRecord, Record
from cadence_sync.errors import InvalidResponseError

_QUOTE: Final = b'"'
_ESCAPED_QUOTE: Final = rb"\u0022"


def check_keys(raw: bytes, document: object) -> None:
    """Raises `UnreadableError` where a key has two different values; `document` is `raw` decoded."""
    if _ESCAPED_QUOTE in raw or raw.count(_QUOTE) != msgspec.json.encode(document).count(_QUOTE):
        json.loads(raw, object_pairs_hook=_object)


def _may_repeat_keys(raw: bytes) -> bool:
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if any('"' in key for key in fields):  # written as either of two escapes: quotes cannot be counted
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
    """Distinguishes 1 from true, which Python calls equal."""
    return json.dumps(value, sort_keys=True)


# Possessive, and a string that is never closed ends with the body: so that no body takes quadratic time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)
_LIST_START = re.compile(rb"\s*:\s*\[")
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_ID_VALUE = re.compile(rb'\s*:\s*(?:"(-?[0-9A-Za-z_-]{1,64})"|(-?[0-9]{1,64}))\s*[,}]')


class BordersError(ValueError):
    """The borders of the records cannot be found."""


def split_records(body: bytes) -> tuple[list[bytes], bytes]:
    """Returns the records of the list `cadences`, and the body with that list emptied; raises `BordersError`."""
    start = _list_start(body)
    depth, record_start, record_end = 0, start, start
    records: list[bytes] = []
    for token, position, end in _tokens(body, start):
        if depth == 0:
            # Numbers and words, where objects belong.
            records += [scalar for piece in body[record_end:position].split(b",") if (scalar := piece.strip())]
            if token in b"}]":
                return records, body[:start] + body[position:]
            record_start = position
        depth += _STEP.get(token, 0)
        if depth == 0:
            records.append(body[record_start:end])
            record_end = end
    raise BordersError("the list of cadences does not end")


def top_level_id(record: bytes) -> str | None:
    """Returns the record's own id where exactly one can be read, even if the rest of the record cannot."""
    found = {
        (match[1] or match[2]).decode("ascii")
        for end in _ends_of_keys(record, b"id")
        if (match := _ID_VALUE.match(record, end))
    }
    return found.pop() if len(found) == 1 else None


def nests_deeper(record: bytes, limit: int) -> bool:
    if record.count(b"{") + record.count(b"[") <= limit:
        return False
    steps = (_STEP.get(token, 0) for token, _, _ in _tokens(record, 0))
    return any(depth > limit for depth in accumulate(steps))


def _list_start(body: bytes) -> int:
    for end in _ends_of_keys(body, b"cadences"):
        if match := _LIST_START.match(body, end):
            return match.end()
    raise BordersError("there is no list of cadences")


def _ends_of_keys(body: bytes, key: bytes) -> Iterator[int]:
    """Yields the end of each top-level string equal to `key`."""
    depth = 0
    for token, position, end in _tokens(body, 0):
        depth += _STEP.get(token, 0)
        if token == b'"' and depth == 1 and body[position + 1 : end - 1] == key:
            yield end


def _tokens(body: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields brackets and strings, each as its first byte, its start and its end."""
    for match in _TOKEN.finditer(body, start):
        yield body[match.start() : match.start() + 1], match.start(), match.end()


_DEEPEST: Final = 100
"""Levels of nesting that are followed; Zoho's own records have ten, Python's stack less than a thousand."""
_UNDECODABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class _Envelope(msgspec.Struct):
    cadences: list[msgspec.Raw]
    info: msgspec.Raw


def decode_page(body: bytes, index: DigestIndex = EMPTY_INDEX) -> Page:
    """Decodes a 200 answer except what is stored to the byte; raises `InvalidResponseError` where it holds no list."""
    records: Sequence[bytes | msgspec.Raw]
    try:
        records, info = _split_fast(body)
    except (BordersError, *_UNDECODABLE):
        records, info = _split_slowly(body)
    unchanged: list[int] = []
    others: list[Record | QuarantinedRecord] = []
    for record in records:
        digest = digest_of(record)
        position = index.find(digest)
        if position is None:
            others.append(decode_record(bytes(record), digest))
        else:
            unchanged.append(position)
    return Page(info, tuple(others), tuple(unchanged))


def listed_ids(body: bytes) -> list[str | None]:
    """Returns the ids of a body's records, None for an unreadable one; raises `InvalidResponseError`."""
    try:
        return [top_level_id(record) for record in split_records(body)[0]]
    except BordersError as error:
        raise InvalidResponseError(f"Zoho's answer holds no cadences ({error}).") from error


def decode_record(raw: bytes, digest: bytes | None = None) -> Record | QuarantinedRecord:
    """Decodes a record's JSON text, whose digest may be known; one that cannot be stored faithfully is quarantined."""
    if nests_deeper(raw, _DEEPEST):
        return QuarantinedRecord(top_level_id(raw), f"nested more than {_DEEPEST} levels deep", raw)
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return QuarantinedRecord(top_level_id(raw), f"not readable as JSON: {error}", raw)
    try:
        check_keys(raw, document)
        return normalize_record(document, raw, digest or digest_of(raw))
    except UnreadableError as error:
        return QuarantinedRecord(top_level_id(raw), str(error), raw)


def _split_fast(body: bytes) -> tuple[list[msgspec.Raw], PageInfo]:
    envelope = msgspec.json.decode(body, type=_Envelope)
    info = bytes(envelope.info)
    # Of two lists of cadences neither can be trusted.
    if _may_repeat_keys(_without(envelope.cadences, body)) or _may_repeat_keys(info):
        raise BordersError("a key of the page comes twice")
    return envelope.cadences, msgspec.json.decode(info, type=PageInfo)


def _without(records: list[msgspec.Raw], body: bytes) -> bytes:
    """Returns a page's body without its records, where these are separated as usual."""
    start = body.find(bytes(records[0])) if records else 0
    for separator in (b",", b", "):
        listed = separator.join(records)
        if body.startswith(listed, start):
            return body[:start] + body[start + len(listed) :]
    return body


def _split_slowly(body: bytes) -> tuple[list[bytes], PageInfo]:
    try:
        records, rest = split_records(body)
        return records, _split_fast(rest)[1]
    except (BordersError, *_UNDECODABLE) as error:
        raise InvalidResponseError(
            f"Zoho's answer is not a list of cadences ({error}).",
            hint="If it persists, something between this machine and Zoho answers in Zoho's place.",
        ) from error
