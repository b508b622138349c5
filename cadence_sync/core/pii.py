"""Locates personal data in a record's JSON text by the adjacent user id.

A scanner of tokens without recursion: it works on records that a JSON decoder refuses and on truncated samples, and
its spans let a caller keep the rest to the byte.
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
"""Keys, in lower case and without `_`, whose values identify a person where an id is in the same object."""
_NOT_PERSONS: Final = frozenset({"module", "custom_view"})
"""Top-level objects with an id and a name that are not persons; nor is the record itself."""
_ID: Final = "id"
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


@dataclass(slots=True)
class PersonMatches:
    spans: list[Span] = field(default_factory=list)
    found: bool = False
    """Whether the id occurs, with or without a name."""
    retained: bool = False
    """Whether `unenroll_properties` names them: that is configuration and kept."""


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


def find_persons(raw: bytes, wanted: RedactionTarget, *, cut: bool = False) -> PersonMatches:
    """Finds the target in a record's text; in a `cut` one, an unclosed object without an id counts as theirs."""
    scan = _Scan(raw, wanted, cut=cut)
    for match in _TOKEN.finditer(raw):
        scan.take(match.start(), match.end())
    scan.end()
    scan.matches.spans = list(_outermost(scan.matches.spans))
    return scan.matches


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


class _Scan:
    __slots__ = ("_cut", "_raw", "_stack", "_wanted", "matches")

    def __init__(self, raw: bytes, wanted: RedactionTarget, *, cut: bool) -> None:
        self._raw = raw
        self._wanted = wanted
        self._cut = cut
        self._stack = [_Frame(0, None, is_person=False, is_config=False)]
        self.matches = PersonMatches()

    def take(self, start: int, end: int) -> None:
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
        while self._stack:
            self._close(self._stack.pop(), closed=not self._cut)

    def _open(self, token: bytes, start: int) -> None:
        depth, parent = len(self._stack), self._stack[-1]
        name = text_of(parent.key) if parent.value_follows else None
        is_rules = depth == 3 and token == b"[" and f"{parent.name}.{name}" == UNENROLL  # noqa: PLR2004 - of the record
        is_person = depth > 1 and not (depth == 2 and name in _NOT_PERSONS)  # noqa: PLR2004 - the same
        self._stack.append(_Frame(start, name, is_person, parent.is_config or is_rules))

    def _value(self, frame: _Frame, start: int, end: int, token: bytes) -> None:
        """Takes the value of a key; for an object or a list `token` is empty."""
        field_name = _field(frame.key) if frame.value_follows else ""
        if field_name == _ID and token and end < len(self._raw):  # a token at the end may be truncated
            frame.has_id = True
            frame.theirs = frame.theirs or text_of(token) in self._wanted.ids
        elif field_name in PERSON_FIELDS and token not in _VALUELESS:
            frame.spans.append((start, end))
        frame.value_follows = False

    def _close(self, frame: _Frame, *, closed: bool) -> None:
        if not frame.is_person:
            return
        spans = frame.spans if frame.theirs or self._is_theirs_by_role(frame, closed=closed) else self._by_text(frame)
        self.matches.found = self.matches.found or frame.theirs
        if frame.is_config:
            self.matches.retained = self.matches.retained or bool(spans)
        else:
            self.matches.spans += spans

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


def _outermost(spans: list[Span]) -> Iterator[Span]:
    last = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= last:
            yield start, end
            last = end
