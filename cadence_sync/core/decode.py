"""From the bytes of a page to its records: found by their digests, or decoded, or quarantined."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from cadence_sync.core.converters import UnreadableError
from cadence_sync.core.digest_index import EMPTY_INDEX, DigestIndex, digest_of
from cadence_sync.core.duplicate_keys import check_keys, may_repeat_keys
from cadence_sync.core.json_scan import BordersError, nests_deeper, split_records, top_level_id
from cadence_sync.core.normalize import normalize_record
from cadence_sync.core.records import Page, PageInfo, QuarantinedRecord, Record
from cadence_sync.errors import InvalidResponseError

_DEEPEST: Final = 100
"""Levels of nesting that are followed; Zoho's own records have ten, Python's stack less than a thousand."""


_Raw: TypeAlias = bytes | msgspec.Raw


class _Envelope(msgspec.Struct):
    cadences: list[msgspec.Raw]
    info: msgspec.Raw


def decode_page(body: bytes, index: DigestIndex = EMPTY_INDEX) -> Page:
    """Decode the body of a 200 answer but for the records that are stored to the byte.

    Raises `InvalidResponseError` where no records can be told apart in it.
    """
    try:
        records, info = _split_fast(body)
    except (BordersError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
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
    """Return the ids of a body's records, None where one is unreadable.

    Raises `InvalidResponseError` as `decode_page`.
    """
    try:
        return [top_level_id(record) for record in split_records(body)[0]]
    except BordersError as error:
        raise InvalidResponseError(f"Zoho's answer holds no cadences ({error}).") from error


def decode_record(raw: bytes, digest: bytes | None = None) -> Record | QuarantinedRecord:
    """Decode one record's JSON text, whose digest may be known; what cannot be stored faithfully is quarantined."""
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


def _split_fast(body: bytes) -> tuple[Sequence[_Raw], PageInfo]:
    envelope = msgspec.json.decode(body, type=_Envelope)
    info = bytes(envelope.info)
    # Two lists of cadences are as good as none.
    if may_repeat_keys(_without(envelope.cadences, body)) or may_repeat_keys(info):
        raise BordersError("a key of the page comes twice")
    return envelope.cadences, msgspec.json.decode(info, type=PageInfo)


def _without(records: list[msgspec.Raw], body: bytes) -> bytes:
    """Return a page's body without the records of its list, where these follow each other as they usually do."""
    start = body.find(bytes(records[0])) if records else 0
    for separator in (b",", b", "):
        listed = separator.join(records)
        if body.startswith(listed, start):
            return body[:start] + body[start + len(listed) :]
    return body


def _split_slowly(body: bytes) -> tuple[Sequence[_Raw], PageInfo]:
    try:
        records, rest = split_records(body)
        return records, _split_fast(rest)[1]
    except (BordersError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidResponseError(
            f"Zoho's answer is not a list of cadences ({error}).",
            hint="If it persists, something between this machine and Zoho answers in Zoho's place.",
        ) from error
