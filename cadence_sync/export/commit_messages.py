"""What the commits of `export --git` say, and whom they name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from cadence_sync.cli.output import one_line
from cadence_sync.cli.version_text import KINDS, OF_MANY, Field, describe_field, returned_with, visible_changes
from cadence_sync.core.labels import INVISIBLE_EDIT

_DISCOVERED: Final = "Fields that became known"
_UNKNOWN: Final = "unknown"
_NAME_MAX: Final = 80
_NAMED_FIELDS: Final = 3
Version = dict[str, Any]


def identity(person_id: str | None, name: str | None) -> str:
    """Return an author as git takes it: a name without brackets and line ends, and an address that is none."""
    plain = "".join(" " if char in "<>" or not char.isprintable() else char for char in name or "")
    shown = " ".join(plain.split()) or (person_id and quote(person_id, safe="")) or _UNKNOWN
    return f"{shown} <{quote(person_id or _UNKNOWN, safe='')}@users.zoho.invalid>"


def message(group: Sequence[Version]) -> str:
    """Return the subject, what changed line by line, and where the tables have it."""
    first = group[0]
    fields = [_fields(version) for version in group]
    body = "\n".join(line for pair in zip(group, fields, strict=True) for line in _paragraph(*pair))
    subject = _subject(first, fields[0]) if len(group) == 1 else f"{len(group)} cadences: {OF_MANY[first['kind']]}"
    return f"{subject}\n\n{body}\n\n{_place(first)}"


def discovered_message(discovered: Sequence[tuple[Version, Mapping[str, object]]]) -> str:
    """Return which fields of which cadences became known."""
    names = [f"{_name(v['document'])} ({v['cadence_id']}): {', '.join(sorted(more))}" for v, more in discovered]
    lines = "\n".join(one_line(name) for name in names)
    why = "They were not sent before; since when they are so is not known."
    return f"{_DISCOVERED}\n\n{why}\n\n{lines}\n\n{_place(discovered[0][0])}"


def _place(version: Version) -> str:
    """Return where the tables have it; of what an older release saw the run is not known."""
    run = "" if version["run_id"] is None else f"Run: {version['run_id']}\n"
    return f"Organization: {one_line(version['org_id'])}\n{run}"


def _fields(version: Version) -> list[Field]:
    if version["kind"] == "restored":
        return visible_changes(returned_with(version["before"], version["document"]))
    return visible_changes([(path, old, new) for path, old, new in version["fields"] or []])


def _subject(version: Version, fields: Sequence[Field]) -> str:
    name = _name(version["document"])
    if version["kind"] != "updated":
        return f"{name}: {KINDS[version['kind']]}"
    if not fields:
        return f"{name}: {INVISIBLE_EDIT}"
    paths = [path for path, _, _ in fields]
    return f"{name}: {', '.join(paths) if len(paths) <= _NAMED_FIELDS else f'{len(paths)} fields'} changed"


def _paragraph(version: Version, fields: Iterable[Field]) -> Iterator[str]:
    of = f"{_name(version['document'])} ({version['cadence_id']}), version {version['version']}"
    yield one_line(f"{of}: {KINDS[version['kind']]}")
    for field in fields:
        yield f"  {describe_field(field)}"


def _name(document: dict[str, Any]) -> str:
    name = one_line(document.get("name") or "").strip() or "without a name"
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"
