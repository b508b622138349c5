"""From a decoded record to a cadence in one canonical form, whatever spelling Zoho used."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias, cast

import msgspec

from cadence_sync.core.canonical import read_rules
from cadence_sync.core.converters import READERS, UnreadableError, holds_nul
from cadence_sync.core.fields import FIELDS, KNOWN_WORDS, LABELS, OBJECTS, PERIOD, UNENROLL, UNIT, FieldType
from cadence_sync.core.records import Config, FieldValue, Labels, Record

SAMPLE_LENGTH: Final = 200

_Read: TypeAlias = Callable[["_Normalizer", object], None]
_Leaf: TypeAlias = tuple[str, Callable[[object], FieldValue]]
"""The path of a leaf or a label, and what makes its value canonical."""


def normalize_record(document: object, raw: bytes, digest: bytes) -> Record:
    """Read a record; raises `UnreadableError` where something in it cannot be stored faithfully."""
    reader = _Normalizer()
    reader.read_object("", document)
    config = reader.config
    cadence_id = config.get("id")
    if not isinstance(cadence_id, str):
        raise UnreadableError("id: there is none")
    if config.get(PERIOD) == "immediately":
        # It has no unit: Zoho leaves the key out, and the former unit must not survive there.
        config.setdefault(UNIT, None)
    for path, words in KNOWN_WORDS.items():
        word = config.get(path)
        if word is not None and word not in words:
            reader.note(path, word)
    return Record(cadence_id, config, reader.labels, reader.extra, raw, digest, tuple(reader.drift))


class _Normalizer:
    """Goes through one record, sorting what it finds into configuration, labels, and what is not known yet."""

    __slots__ = ("config", "drift", "extra", "labels")

    def __init__(self) -> None:
        self.config: Config = {}
        self.labels: Labels = {}
        self.extra: dict[str, object] = {}
        self.drift: list[tuple[str, str]] = []

    def read_object(self, path: str, value: object) -> None:
        """Read an object, or null in its place, which is null for everything that it would hold."""
        if isinstance(value, dict):
            leaves, labels, others = _KNOWN[path]
            for key, child in value.items():
                if (leaf := leaves.get(key)) is not None:
                    self.config[leaf[0]] = _read(leaf, child)
                elif (label := labels.get(key)) is not None:
                    name = _read(label, child)
                    self.labels[label[0]] = name if name is None else str(name)
                elif (read := others.get(key)) is not None:
                    read(self, child)
                else:
                    self._read_unknown(path, key, child)
        elif value is None or value == "":
            self._read_null(path)
        else:
            raise UnreadableError(f"{path or 'record'}: expected an object")

    def read_unenroll(self, value: object) -> None:
        """Read either form of the rule; each says of the other's leaves that they are not set."""
        if isinstance(value, list):
            self._read_null(UNENROLL)
            self.config[UNENROLL] = read_rules(value)
        else:
            self.config[UNENROLL] = None
            self.read_object(UNENROLL, value)

    def note(self, path: str, value: object) -> None:
        """Remember something that this version of the product does not know."""
        sample = msgspec.json.encode(value).decode()
        self.drift.append((path[:SAMPLE_LENGTH], sample[:SAMPLE_LENGTH]))

    def _read_null(self, path: str) -> None:
        leaves, labels = _BELOW[path]
        self.config.update(leaves)
        self.labels.update(labels)

    def _read_unknown(self, parent: str, key: str, value: object) -> None:
        path = f"{parent}.{key}" if parent else key
        if holds_nul([key, value]):
            raise UnreadableError(f"{path!r}: text holds the character U+0000, which Postgres cannot store")
        holder = self.extra
        for name in parent.split(".") if parent else ():
            holder = cast("dict[str, object]", holder.setdefault(name, {}))
        holder[key] = value
        self.note(path, value)


def _read(leaf: _Leaf, value: object) -> FieldValue:
    """Return a leaf's canonical value; null and "" are one: Zoho sends either for "not set"."""
    if value is None or value == "":
        return None
    path, read = leaf
    try:
        return read(value)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from error


def _known_in(path: str) -> tuple[dict[str, _Leaf], dict[str, _Leaf], dict[str, _Read]]:
    """Return how the keys of an object are read: leaves, labels, and objects in it.

    A key of Zoho's with a dot in it is no path into an object, and is not found here.
    """

    def below(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        for each in paths:
            parent, _, key = each.rpartition(".")
            if parent == path:
                yield key, each

    leaves = {key: (leaf, READERS[FIELDS[leaf]]) for key, leaf in below(FIELDS)}
    labels = {key: (label, READERS[FieldType.TEXT]) for key, label in below(LABELS)}
    others: dict[str, _Read] = {key: partial(_read_inner, inner) for key, inner in below(OBJECTS)}
    if path == UNENROLL.rpartition(".")[0]:
        others[UNENROLL.rpartition(".")[2]] = _Normalizer.read_unenroll
    return leaves, labels, others


def _read_inner(path: str, reader: _Normalizer, value: object) -> None:
    reader.read_object(path, value)


def _below(path: str) -> tuple[Config, Labels]:
    prefix = f"{path}." if path else ""
    leaves: Config = {leaf: None for leaf in (*FIELDS, UNENROLL) if path and leaf.startswith(prefix)}
    labels: Labels = {label: None for label in LABELS if path and label.startswith(prefix)}
    return leaves, labels


_KNOWN: Final = {path: _known_in(path) for path in ("", *OBJECTS)}
_BELOW: Final = {path: _below(path) for path in ("", *OBJECTS)}
