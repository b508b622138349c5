"""From the bytes of a page to cadences in one canonical form, whatever spelling Zoho used."""

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec

from cadence_sync.core.duplicates import check_keys, may_repeat_keys
from cadence_sync.core.fields import KNOWN_WORDS, LABELS, LEAVES, OBJECTS, PERIOD, UNENROLL, UNIT, LeafType
from cadence_sync.core.index import NOTHING, Index, digest_of
from cadence_sync.core.model import Config, Labels, Page, PageInfo, Quarantined, Sighting
from cadence_sync.core.rules import read_rules
from cadence_sync.core.scan import BordersError, nests_deeper, split_records, top_level_id
from cadence_sync.core.values import UnreadableError, holds_nul, read_leaf
from cadence_sync.errors import BadAnswer

_SAMPLE_LENGTH: Final = 200
_DEEPEST: Final = 100
"""Levels of nesting that are followed; Zoho's own records have ten, Python's stack less than a thousand."""


_Raw: TypeAlias = bytes | msgspec.Raw


class _Envelope(msgspec.Struct):
    cadences: list[msgspec.Raw]
    info: msgspec.Raw


def decode_page(body: bytes, index: Index = NOTHING) -> Page:
    """Decode the body of a 200 answer but for the records that are stored to the byte.

    Raises `BadAnswer` where no records can be told apart in it.
    """
    try:
        records, info = _split_fast(body)
    except (BordersError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        records, info = _split_slowly(body)
    unchanged: list[int] = []
    others: list[Sighting | Quarantined] = []
    for record in records:
        digest = digest_of(record)
        position = index.find(digest)
        if position is None:
            others.append(decode_record(bytes(record), digest))
        else:
            unchanged.append(position)
    return Page(info, tuple(others), tuple(unchanged))


def listed_ids(body: bytes) -> list[str | None]:
    """Return the ids of a body's records, None where one is unreadable; raises `BadAnswer` as `decode_page`."""
    try:
        return [top_level_id(record) for record in split_records(body)[0]]
    except BordersError as error:
        raise BadAnswer(f"Zoho's answer holds no cadences ({error}).") from error


def decode_record(raw: bytes, digest: bytes | None = None) -> Sighting | Quarantined:
    """Decode one record's JSON text, whose digest may be known; what cannot be stored faithfully is quarantined."""
    if nests_deeper(raw, _DEEPEST):
        return Quarantined(top_level_id(raw), f"nested more than {_DEEPEST} levels deep", raw)
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Quarantined(top_level_id(raw), f"not readable as JSON: {error}", raw)
    try:
        check_keys(raw, document)
        return _sighting(document, raw, digest or digest_of(raw))
    except UnreadableError as error:
        return Quarantined(top_level_id(raw), str(error), raw)


def _split_fast(body: bytes) -> tuple[Sequence[_Raw], PageInfo]:
    envelope = msgspec.json.decode(body, type=_Envelope)
    info = bytes(envelope.info)
    if may_repeat_keys(body) or may_repeat_keys(info):  # two lists of cadences are as good as none
        raise BordersError("a key of the page comes twice")
    return envelope.cadences, msgspec.json.decode(info, type=PageInfo)


def _split_slowly(body: bytes) -> tuple[Sequence[_Raw], PageInfo]:
    try:
        records, rest = split_records(body)
        return records, _split_fast(rest)[1]
    except (BordersError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadAnswer(
            f"Zoho's answer is not a list of cadences ({error}).",
            hint="If it persists, something between this machine and Zoho answers in Zoho's place.",
        ) from error


def _sighting(document: object, raw: bytes, digest: bytes) -> Sighting:
    reader = _Reader()
    reader.read_object("", document)
    cadence_id = reader.config.get("id")
    if not isinstance(cadence_id, str):
        raise UnreadableError("id: there is none")
    _settle_unit(reader.config)
    _note_words(reader)
    return Sighting(cadence_id, reader.config, reader.labels, reader.extra, raw, digest, tuple(reader.drift))


def _settle_unit(config: Config) -> None:
    """`immediately` has no unit: Zoho leaves the key out, and the former unit must not survive there."""
    if config.get(PERIOD) == "immediately":
        config.setdefault(UNIT, None)


def _note_words(reader: "_Reader") -> None:
    for path, words in KNOWN_WORDS.items():
        word = reader.config.get(path)
        if word is not None and word not in words:
            reader.note(path, word)


class _Reader:
    """Walks one record, sorting what it finds into configuration, labels, and what is not known yet."""

    def __init__(self) -> None:
        self.config: Config = {}
        self.labels: Labels = {}
        self.extra: dict[str, object] = {}
        self.drift: list[tuple[str, str]] = []

    def read_object(self, path: str, value: object) -> None:
        """Read an object, or null in its place, which is null for everything that it would hold."""
        if value is None or value == "":
            self._read_null(path)
        elif isinstance(value, dict):
            for key, child in value.items():
                self._read_key(path, key, child)
        else:
            raise UnreadableError(f"{path or 'record'}: expected an object")

    def note(self, path: str, value: object) -> None:
        """Remember something that this version of the product does not know."""
        sample = msgspec.json.encode(value).decode()
        self.drift.append((path[:_SAMPLE_LENGTH], sample[:_SAMPLE_LENGTH]))

    def _read_key(self, parent: str, key: str, value: object) -> None:
        path = f"{parent}.{key}" if parent else key
        if "." in key:  # a name with a dot is no path into an object
            self._read_unknown(parent, key, value)
        elif path == UNENROLL:
            self._read_unenroll(value)
        elif path in OBJECTS:
            self.read_object(path, value)
        elif path in LEAVES:
            self.config[path] = read_leaf(path, LEAVES[path], value)
        elif path in LABELS:
            label = read_leaf(path, LeafType.TEXT, value)
            self.labels[path] = label if label is None else str(label)
        else:
            self._read_unknown(parent, key, value)

    def _read_unenroll(self, value: object) -> None:
        """Read either form of the rule; each says of the other's leaves that they are not set."""
        if isinstance(value, list):
            self._read_null(UNENROLL)
            self.config[UNENROLL] = read_rules(value)
        else:
            self.config[UNENROLL] = None
            self.read_object(UNENROLL, value)

    def _read_null(self, path: str) -> None:
        prefix = f"{path}."
        self.config.update((leaf, None) for leaf in (*LEAVES, UNENROLL) if leaf.startswith(prefix))
        self.labels.update((label, None) for label in LABELS if label.startswith(prefix))

    def _read_unknown(self, parent: str, key: str, value: object) -> None:
        path = f"{parent}.{key}" if parent else key
        if holds_nul([key, value]):
            raise UnreadableError(f"{path!r}: text holds the character U+0000, which Postgres cannot store")
        holder = self.extra
        for name in parent.split(".") if parent else ():
            holder = cast("dict[str, object]", holder.setdefault(name, {}))
        holder[key] = value
        self.note(path, value)
