"""Normalizes a decoded record: every spelling that Zoho uses becomes one canonical form."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias, cast

import msgspec

from cadence_sync.core.canonical import read_rules
from cadence_sync.core.converters import READERS, UnreadableError, check_nul
from cadence_sync.core.fields import FIELDS, KNOWN_WORDS, LABELS, OBJECTS, PERIOD, UNENROLL, UNIT, FieldType
from cadence_sync.core.records import Config, FieldValue, Labels, Record

SAMPLE_LENGTH: Final = 200

_Field: TypeAlias = tuple[str, Callable[[object], FieldValue]]
"""The path of a field or a label, and its converter."""


def normalize_record(document: object, raw: bytes, digest: bytes) -> Record:
    """Raises `UnreadableError` where a value cannot be stored faithfully."""
    reader = _Normalizer()
    reader.read_object("", document)
    config = reader.config
    cadence_id = config.get("id")
    if not isinstance(cadence_id, str):
        raise UnreadableError("id: there is none")
    if config.get(PERIOD) == "immediately":
        # It has no unit: Zoho omits the key, and the former unit must not survive.
        config.setdefault(UNIT, None)
    for path, words in KNOWN_WORDS.items():
        word = config.get(path)
        if word is not None and word not in words:
            reader.note(path, word)
    return Record(cadence_id, config, reader.labels, reader.extra, raw, digest, tuple(reader.drift))


class _Normalizer:
    __slots__ = ("config", "drift", "extra", "labels")

    def __init__(self) -> None:
        self.config: Config = {}
        self.labels: Labels = {}
        self.extra: dict[str, object] = {}
        self.drift: list[tuple[str, str]] = []

    def read_object(self, path: str, value: object) -> None:
        """Reads an object; null in its place is null for all of its fields."""
        if isinstance(value, dict):
            fields, labels, objects = _KNOWN[path]
            for key, child in value.items():
                if (field := fields.get(key)) is not None:
                    self.config[field[0]] = _read(field, child)
                elif (label := labels.get(key)) is not None:
                    name = _read(label, child)
                    self.labels[label[0]] = name if name is None else str(name)
                elif (inner := objects.get(key)) is not None:
                    self._read_inner(inner, child)
                else:
                    self._read_unknown(path, key, child)
        elif value is None or value == "":
            self._read_null(path)
        else:
            raise UnreadableError(f"{path or 'record'}: expected an object")

    def _read_inner(self, path: str, value: object) -> None:
        """Of either form of `UNENROLL`, the fields of the other form are null."""
        if path != UNENROLL:
            self.read_object(path, value)
        elif isinstance(value, list):
            self._read_null(UNENROLL)
            self.config[UNENROLL] = read_rules(value)
        else:
            self.config[UNENROLL] = None
            self.read_object(UNENROLL, value)

    def note(self, path: str, value: object) -> None:
        sample = msgspec.json.encode(value).decode()
        self.drift.append((path[:SAMPLE_LENGTH], sample[:SAMPLE_LENGTH]))

    def _read_null(self, path: str) -> None:
        fields, labels = _BELOW[path]
        self.config.update(fields)
        self.labels.update(labels)

    def _read_unknown(self, parent: str, key: str, value: object) -> None:
        path = f"{parent}.{key}" if parent else key
        check_nul(repr(path), [key, value])
        holder = self.extra
        for name in parent.split(".") if parent else ():
            holder = cast("dict[str, object]", holder.setdefault(name, {}))
        holder[key] = value
        self.note(path, value)


def _read(field: _Field, value: object) -> FieldValue:
    """Returns the canonical value; null and "" are one, because Zoho sends either for "not set"."""
    if value is None or value == "":
        return None
    path, read = field
    try:
        return read(value)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from error


def _known_in(path: str) -> tuple[dict[str, _Field], dict[str, _Field], dict[str, str]]:
    """Returns the fields, labels and objects of an object by key; a key of Zoho's that contains a dot is unknown."""

    def children(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        for each in paths:
            parent, _, key = each.rpartition(".")
            if parent == path:
                yield key, each

    fields = {key: (field, READERS[FIELDS[field]]) for key, field in children(FIELDS)}
    labels = {key: (label, READERS[FieldType.TEXT]) for key, label in children(LABELS)}
    return fields, labels, dict(children(OBJECTS))


def _below(path: str) -> tuple[Config, Labels]:
    prefix = f"{path}."
    fields: Config = {field: None for field in (*FIELDS, UNENROLL) if field.startswith(prefix)}
    return fields, {label: None for label in LABELS if label.startswith(prefix)}


_KNOWN: Final = {path: _known_in(path) for path in ("", *OBJECTS)}
_BELOW: Final = {path: _below(path) for path in ("", *OBJECTS)}
