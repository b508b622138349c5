"""Redacts personal data; everything else stays as it was sent, to the byte."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from cadence_sync.core.normalize import SAMPLE_LENGTH, normalize_record
from cadence_sync.core.pii import RedactionTarget, Span, find_persons, may_contain, text_of
from cadence_sync.core.records import Record

WORD: Final = "redacted"
ROLES: Final = ("created_by", "modified_by")
"""Top-level objects that name a user: their ids are columns, their other values may be in `extra`."""
_REPLACEMENT: Final = b'"' + WORD.encode() + b'"'
_SHORTEST: Final = 3
"""Characters of a text that is searched for within others: two would match every second word."""
_ESCAPE = re.compile(r"\\u[0-9a-f]{4}")


@dataclass(frozen=True, slots=True)
class Redacted:
    raw: bytes
    texts: frozenset[str]
    found: bool
    retained: bool


def redact(raw: bytes, wanted: RedactionTarget, *, cut: bool = False) -> Redacted:
    found = find_persons(raw, wanted, cut=cut)
    texts = {text_of(raw[start:end]) for start, end in found.spans if raw[start : start + 1] not in b"{["}
    return Redacted(_without(raw, found.spans), frozenset(texts - {WORD}), found.found, found.retained)


def redact_records(block: Iterable[Record], ids: Collection[str]) -> list[Record]:
    """Redacts listed records; digests stay those of Zoho's bytes, so that the next listing recognizes them."""
    wanted = RedactionTarget(frozenset(ids))
    return [_redact_record(record, wanted) for record in block]


def redact_sample(path: str, sample: str, wanted: RedactionTarget) -> str:
    """Redacts a sample of drift, which may be truncated: doubtful values count as theirs."""
    steps = path.split(".")
    head = b"".join(b"{" + msgspec.json.encode(step) + b":" for step in steps)
    raw, cut = sample.encode(), not is_json(sample)
    tail = b"" if cut else b"}" * len(steps)
    theirs = RedactionTarget(wanted.ids, frozenset(ROLES), wanted.texts)
    redacted = redact(head + raw + tail, theirs, cut=cut).raw
    inner = redact_text(redacted[len(head) : len(redacted) - len(tail)], wanted.texts).decode(errors="ignore")
    return (_without_end(inner, wanted.texts) if cut else inner)[:SAMPLE_LENGTH]


def redact_text(raw: bytes, texts: Iterable[str]) -> bytes:
    spellings = {spelling for text in texts if len(text) >= _SHORTEST for spelling in _spellings(text)}
    if not spellings:
        return raw
    longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
    return re.sub(b"|".join(map(re.escape, longest_first)), WORD.encode(), raw)


def is_json(text: str | bytes) -> bool:
    """Returns whether a text is decodable: then the scanner finds everything in it."""
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _redact_record(record: Record, wanted: RedactionTarget) -> Record:
    if not may_contain(record.raw, wanted.ids):
        return record
    raw = redact(record.raw, wanted).raw
    return record if raw == record.raw else normalize_record(msgspec.json.decode(raw), raw, record.digest)


def _without(raw: bytes, spans: Iterable[Span]) -> bytes:
    pieces, last = [], 0
    for start, end in spans:
        pieces += [raw[last:start], _REPLACEMENT]
        last = end
    return b"".join([*pieces, raw[last:]])


def _spellings(text: str) -> Iterator[bytes]:
    yield text.encode(errors="surrogatepass")
    escaped = json.dumps(text)[1:-1]
    yield escaped.encode()
    yield _ESCAPE.sub(lambda match: "\\u" + match[0][2:].upper(), escaped).encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode(errors="surrogatepass")


def _without_end(sample: str, texts: Iterable[str]) -> str:
    """Returns a truncated sample without a text's beginning at its end."""
    ends = (text[:size] for text in texts for size in range(len(text) - 1, _SHORTEST - 1, -1))
    return next((sample.removesuffix(end) for end in ends if sample.endswith(end)), sample)
