"""What must be true of whatever `decode_page` makes of hostile bytes; needs nothing but the core."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import msgspec

from cadence_sync.core.canonical import canonical_value, from_document, to_document, unenroll_end_date, unenroll_type
from cadence_sync.core.decode import decode_page, decode_record
from cadence_sync.core.digest_index import digest_of
from cadence_sync.core.fields import FIELDS, LABELS, UNENROLL, FieldType
from cadence_sync.core.records import FieldValue, Page, QuarantinedRecord, Record
from cadence_sync.errors import InvalidResponseError

_INDEXED = 2700
"""Bytes that an entry of a Postgres index may have, all its columns together."""
_DEEPEST = 101


def judge(body: bytes) -> Page | None:
    """Decode a body twice and check all that is promised; None where it was refused as a whole."""
    try:
        page = decode_page(body)
    except InvalidResponseError as error:
        _check_text(error.message)
        return None
    assert decode_page(body) == page, "a second look sees something else"
    position = 0
    for record in page.records:
        found = body.find(record.raw, position)
        assert found >= 0, "raw is not what was sent"
        position = found + len(record.raw)
        _check_record(record)
    return page


def _check_record(record: Record | QuarantinedRecord) -> None:
    if isinstance(record, QuarantinedRecord):
        assert record.reason
        _check_text(record.reason)
        if record.cadence_id is not None:
            _check_indexed(record.cadence_id)
        return
    assert record.config["id"] == record.cadence_id
    _check_indexed(record.cadence_id)
    json.loads(record.raw, object_pairs_hook=_check_keys)
    for path, leaf in record.config.items():
        _check_leaf(path, leaf)
    for path, label in record.labels.items():
        assert path in LABELS
        _check_json(label)
    _check_json(record.extra)
    for noted in record.drift:
        _check_indexed(noted[0])
        _check_text(noted[1])
    _check_document(record)
    assert record.digest == digest_of(record.raw)
    again = decode_record(json.dumps(json.loads(record.raw), allow_nan=False).encode())
    assert isinstance(again, Record), "the same record in another spelling is refused"
    assert meaning(again) == meaning(record), "the same record in another spelling differs"


def meaning(record: Record) -> bytes:
    """Return what two spellings of one record have in common."""
    config = {path: canonical_value(leaf) for path, leaf in record.config.items()}
    return msgspec.json.encode((config, record.labels, record.extra), order="deterministic")


def _check_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """No key may have said two things: one of them would be lost."""
    values: dict[str, str] = {}
    for key, value in pairs:
        text = json.dumps(value, sort_keys=True)
        assert values.setdefault(key, text) == text, f"{key!r} lost a value"
    return dict(pairs)


def _check_document(record: Record) -> None:
    document = to_document(record.config)
    _check_json(document)
    read = from_document(json.loads(json.dumps(document)))
    known = {path: leaf for path, leaf in record.config.items() if leaf is not None}
    for path, leaf in known.items():
        assert path in read, f"{path} is lost"
        assert canonical_value(read[path]) == canonical_value(leaf), f"{path} changed in the document"
    kind = unenroll_type(record.config)
    assert kind is None or isinstance(kind, str)
    _check_json(kind)
    _check_day(unenroll_end_date(record.config))


def _check_leaf(path: str, leaf: FieldValue) -> None:  # noqa: C901 - one case a type
    if path == UNENROLL:
        assert leaf is None or (isinstance(leaf, list) and leaf)
        _check_json(leaf)
        return
    if leaf is None:
        assert path in FIELDS
        return
    match FIELDS[path]:
        case FieldType.FLAG:
            assert isinstance(leaf, bool)
        case FieldType.COUNT:
            assert isinstance(leaf, int)
            assert not isinstance(leaf, bool)
            assert -(2**31) <= leaf < 2**31
        case FieldType.INSTANT:
            assert isinstance(leaf, str)
            assert datetime.fromisoformat(leaf).tzinfo is UTC
        case FieldType.DAY:
            _check_day(leaf)
        case FieldType.ID:
            assert isinstance(leaf, str)
            _check_indexed(leaf)
        case FieldType.TEXT | FieldType.STATUS | FieldType.TYPE:
            assert isinstance(leaf, str)
            _check_text(leaf)


def _check_day(leaf: FieldValue) -> None:
    if leaf is not None:
        assert isinstance(leaf, str)
        assert date.fromisoformat(leaf).isoformat() == leaf


def _check_json(value: object) -> None:
    """Whether jsonb can hold a value: no U+0000, no half pair, no number that JSON lacks, not too deep."""
    json.dumps(value, allow_nan=False)
    for text in _texts(value, 0):
        _check_text(text)


def _texts(value: object, depth: int) -> Iterator[str]:
    assert depth <= _DEEPEST
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from _texts(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child, depth + 1)


def _check_text(text: str) -> None:
    assert "\0" not in text
    text.encode()


def _check_indexed(text: str) -> None:
    _check_text(text)
    assert 0 < len(text.encode()) < _INDEXED
