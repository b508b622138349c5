"""Finding what says who a person is, in a record's JSON text: by the id that stands beside it.

It knows brackets, strings and what stands between, as `scan` does, and needs no recursion: so it finds persons in
records that a JSON decoder refuses and in samples that were cut, and whoever replaces them keeps the rest to the byte.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

from cadence_sync.core.fields import UNENROLL

PERSON_FIELDS: Final = frozenset(
    {"name", "fullname", "firstname", "middlename", "lastname", "displayname", "username", "nickname", "alias"}
    | {"email", "phone", "mobile"}
)
"""Keys, in lower case and without `_`, whose values say who somebody is where an id stands beside them."""
_NOT_PERSONS: Final = frozenset({"module", "custom_view"})
"""Top-level objects that have an id and a name and are no person; the record itself is none either."""
_ID: Final = "id"
_VALUELESS: Final = frozenset({b"null", b"true", b"false", b'""'})
# Possessive, and a string that is never closed ends with the text: so that no text takes quadratic time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[{}\[\]:,]|[^\s{}\[\]:,"]++', re.DOTALL)
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RedactionTarget:
    """Whom to look for."""

    ids: frozenset[str]
    roles: frozenset[str] = frozenset()
    """Top-level keys whose objects are theirs, although no id in them says so."""
    texts: frozenset[str] = frozenset()
    """Values that say who they are also in an object without an id."""


@dataclass(slots=True)
class PersonMatches:
    """Where in a text somebody is named."""

    spans: list[Span] = field(default_factory=list)
    found: bool = False
    """Whether the id was there, with or without a name."""
    retained: bool = False
    """Whether they are named in `unenroll_properties`, which is configuration."""


@dataclass(slots=True)
class _Frame:
    """An object or a list that has begun."""

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
    """Whether one of the ids can be in a text at all: most texts need no closer look."""
    return any(each.encode() in raw for each in ids) or _ESCAPED_ASCII.search(raw) is not None


def find_persons(raw: bytes, wanted: RedactionTarget, *, cut: bool = False) -> PersonMatches:
    """Find whom is `wanted` in the text of a record; where it is `cut`, what has no end and no other id is theirs."""
    scan = _Scan(raw, wanted, cut=cut)
    for match in _TOKEN.finditer(raw):
        scan.take(match.start(), match.end())
    scan.end()
    scan.found.spans = list(_outermost(scan.found.spans))
    return scan.found


def text_of(token: bytes) -> str:
    """Return the text that a string's token stands for, broken ones included; other tokens as they are."""
    if not token.startswith(b'"'):
        return token.decode(errors="replace")
    if b"\\" in token:
        try:
            return str(json.loads(token, strict=False))
        except ValueError:
            pass  # a string without an end, or one that no decoder reads
    return token[1:].removesuffix(b'"').decode(errors="replace")


class _Scan:
    """Goes over the tokens of one text."""

    __slots__ = ("_cut", "_raw", "_stack", "_wanted", "found")

    def __init__(self, raw: bytes, wanted: RedactionTarget, *, cut: bool) -> None:
        self._raw = raw
        self._wanted = wanted
        self._cut = cut
        self._stack = [_Frame(0, None, is_person=False, is_config=False)]
        self.found = PersonMatches()

    def take(self, start: int, end: int) -> None:
        """Take the next token."""
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

    def end(self) -> None:
        """Take the end of the text, which closes whatever is open."""
        while self._stack:
            self._close(self._stack.pop(), closed=not self._cut)

    def _open(self, token: bytes, start: int) -> None:
        depth, parent = len(self._stack), self._stack[-1]
        name = text_of(parent.key) if parent.value_follows else None
        is_rules = depth == 3 and token == b"[" and f"{parent.name}.{name}" == UNENROLL  # noqa: PLR2004 - of the record
        is_person = depth > 1 and not (depth == 2 and name in _NOT_PERSONS)  # noqa: PLR2004 - the same
        self._stack.append(_Frame(start, name, is_person, parent.is_config or is_rules))

    def _value(self, frame: _Frame, start: int, end: int, token: bytes) -> None:
        """Take the value of a key; of an object or a list `token` is empty."""
        field_name = _field(frame.key) if frame.value_follows else ""
        if field_name == _ID and token and end < len(self._raw):  # at its end a text may have been cut
            frame.has_id = True
            frame.theirs = frame.theirs or text_of(token) in self._wanted.ids
        elif field_name in PERSON_FIELDS and token not in _VALUELESS:
            frame.spans.append((start, end))
        frame.value_follows = False

    def _close(self, frame: _Frame, *, closed: bool) -> None:
        if not frame.is_person:
            return
        spans = frame.spans if frame.theirs or self._is_unnamed(frame, closed=closed) else self._said(frame)
        self.found.found = self.found.found or frame.theirs
        if frame.is_config:
            self.found.retained = self.found.retained or bool(spans)
        else:
            self.found.spans += spans

    def _is_unnamed(self, frame: _Frame, *, closed: bool) -> bool:
        """Whether an object without an id is theirs by its place, or may be."""
        return not frame.has_id and (not closed or (len(self._stack) == 2 and frame.name in self._wanted.roles))  # noqa: PLR2004

    def _said(self, frame: _Frame) -> list[Span]:
        """Return what an object without an id says of them."""
        if frame.has_id or not self._wanted.texts:
            return []
        return [(start, end) for start, end in frame.spans if text_of(self._raw[start:end]) in self._wanted.texts]


@lru_cache(4096)
def _field(key: bytes) -> str:
    """Return a key as `PERSON_FIELDS` spells it."""
    return text_of(key).lower().replace("_", "")


def _outermost(spans: list[Span]) -> Iterator[Span]:
    """Yield spans in order, without those that lie in another."""
    last = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= last:
            yield start, end
            last = end
