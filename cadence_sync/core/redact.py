"""Redacts personal data in a record's JSON text, found by the adjacent user id; the rest stays to the byte.

The scanner reads tokens without recursion, so that it works on what a JSON decoder refuses and on truncated samples.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from cadence_sync.core.fields import UNENROLL
from cadence_sync.core.normalize import SAMPLE_LENGTH, normalize_record
from cadence_sync.core.records import Record

WORD: Final = "redacted"
ROLES: Final = ("created_by", "modified_by")
"""Top-level objects that name a user: their ids are columns, their other values may be in `extra`."""
_REPLACEMENT: Final = b'"' + WORD.encode() + b'"'
_SHORTEST: Final = 3
"""Characters of a text that is searched for within others: two would match every second word."""
_ESCAPE = re.compile(r"\\u[0-9a-f]{4}")
PERSON_FIELDS: Final = frozenset(
    {"name", "fullname", "firstname", "middlename", "lastname", "displayname", "username", "nickname", "alias"}
    | {"email", "phone", "mobile"}
)
"""Keys, in lower case and without `_`, whose values identify a person where an id is in the same object."""
_NOT_PERSONS: Final = frozenset({"module", "custom_view"})
"""Top-level objects with an id and a name that are not persons; nor is the record itself."""
_VALUELESS: Final = frozenset({b"null", b"true", b"false", b'""'})
# Possessive, and an unclosed string ends with the text, so that no text takes quadratic time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[{}\[\]:,]|[^\s{}\[\]:,"]++', re.DOTALL)
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RedactionTarget:
    ids: frozenset[str]
    roles: frozenset[str] = frozenset()
    """Top-level keys whose objects are theirs even without an id."""
    texts: frozenset[str] = frozenset()
    """Values that identify them even in an object without an id."""


@dataclass(frozen=True, slots=True)
class Redacted:
    raw: bytes
    texts: frozenset[str]
    found: bool
    """Whether the id occurs, with or without a name."""
    retained: bool
    """Whether `unenroll_properties` names them: that is configuration and kept."""


def redact(raw: bytes, wanted: RedactionTarget, *, cut: bool = False) -> Redacted:
    """Redacts a record's text; in a `cut` one, an unclosed object without an id counts as theirs."""
    scan = PersonScan(raw, wanted, cut=cut)
    spans = list(scan.outermost())
    texts = {text_of(raw[start:end]) for start, end in spans if raw[start : start + 1] not in b"{["}
    return Redacted(_without(raw, spans), frozenset(texts - {WORD}), scan.found, scan.retained)


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


@dataclass(slots=True)
class _Frame:
    start: int
    name: str | None
    is_person: bool
    is_config: bool
    key: bytes = b""
    value_follows: bool = False
    has_id: bool = False
    theirs: bool = False
    spans: list[Span] = field(default_factory=list)


def may_contain(raw: bytes, ids: Iterable[str]) -> bool:
    return any(each.encode() in raw for each in ids) or _ESCAPED_ASCII.search(raw) is not None


def text_of(token: bytes) -> str:
    """Returns the text of a string token, even a broken one; other tokens unchanged."""
    if not token.startswith(b'"'):
        return token.decode(errors="replace")
    if b"\\" in token:
        try:
            return str(json.loads(token, strict=False))
        except ValueError:
            pass  # an unclosed or undecodable string
    return token[1:].removesuffix(b'"').decode(errors="replace")


class PersonScan:
    __slots__ = ("_raw", "_spans", "_stack", "_wanted", "found", "retained")

    def __init__(self, raw: bytes, wanted: RedactionTarget, *, cut: bool) -> None:
        self._raw = raw
        self._wanted = wanted
        self._stack = [_Frame(0, None, is_person=False, is_config=False)]
        self._spans: list[Span] = []
        self.found = False
        self.retained = False
        for match in _TOKEN.finditer(raw):
            self._take(match.start(), match.end())
        while self._stack:
            self._close(self._stack.pop(), closed=not cut)

    def outermost(self) -> Iterator[Span]:
        last = 0
        for start, end in sorted(self._spans, key=lambda span: (span[0], -span[1])):
            if start >= last:
                yield start, end
                last = end

    def _take(self, start: int, end: int) -> None:
        token, frame = self._raw[start:end], self._stack[-1]
        if token in b"{[":
            self._open(token, start)
        elif token in b"}]":
            if len(self._stack) > 1:
                self._close(self._stack.pop(), closed=True)
                self._value(self._stack[-1], frame.start, end, b"")
        elif token == b":":
            frame.value_follows = True
        elif token == b",":
            frame.value_follows, frame.key = False, b""
        elif frame.value_follows:
            self._value(frame, start, end, token)
        else:
            frame.key = token

    def _open(self, token: bytes, start: int) -> None:
        depth, parent = len(self._stack), self._stack[-1]
        name = text_of(parent.key) if parent.value_follows else None
        is_rules = depth == 3 and token == b"[" and f"{parent.name}.{name}" == UNENROLL  # noqa: PLR2004 - of the record
        is_person = depth > 1 and not (depth == 2 and name in _NOT_PERSONS)  # noqa: PLR2004 - the same
        self._stack.append(_Frame(start, name, is_person, parent.is_config or is_rules))

    def _value(self, frame: _Frame, start: int, end: int, token: bytes) -> None:
        """Takes the value of a key; for an object or a list `token` is empty."""
        field_name = _field(frame.key) if frame.value_follows else ""
        if field_name == "id" and token and end < len(self._raw):  # a token at the end may be truncated
            frame.has_id = True
            frame.theirs = frame.theirs or text_of(token) in self._wanted.ids
        elif field_name in PERSON_FIELDS and token not in _VALUELESS:
            frame.spans.append((start, end))
        frame.value_follows = False

    def _close(self, frame: _Frame, *, closed: bool) -> None:
        if not frame.is_person:
            return
        spans = frame.spans if frame.theirs or self._is_theirs_by_role(frame, closed=closed) else self._by_text(frame)
        self.found = self.found or frame.theirs
        if frame.is_config:
            self.retained = self.retained or bool(spans)
        else:
            self._spans += spans

    def _is_theirs_by_role(self, frame: _Frame, *, closed: bool) -> bool:
        """Returns whether an object without an id is theirs by its top-level key, or may be because it is unclosed."""
        return not frame.has_id and (not closed or (len(self._stack) == 2 and frame.name in self._wanted.roles))  # noqa: PLR2004

    def _by_text(self, frame: _Frame) -> list[Span]:
        if frame.has_id or not self._wanted.texts:
            return []
        return [(start, end) for start, end in frame.spans if text_of(self._raw[start:end]) in self._wanted.texts]


@lru_cache(4096)
def _field(key: bytes) -> str:
    return text_of(key).lower().replace("_", "")
