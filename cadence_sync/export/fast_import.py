"""The history as a stream for `git fast-import`: versions in the order of their changes, grouped into commits."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final
from urllib.parse import quote

from cadence_sync.core.blame import DISCOVERED
from cadence_sync.core.canonical import changed_fields, from_document, to_document
from cadence_sync.core.labels import (
    INVISIBLE_EDIT,
    KIND_PLURALS,
    KIND_WORDS,
    describe_field,
    one_line,
    without_audit_fields,
)
from cadence_sync.core.records import Config, FieldChange
from cadence_sync.db.columns import CADENCE_FIELDS, EXECUTION_FIELDS, SUMMARY_FIELDS
from cadence_sync.export.git import NEXT
from cadence_sync.export.state import render_yaml

_UNKNOWN: Final = "unknown"
_NAME_MAX: Final = 80
_NAMED_FIELDS: Final = 3
_COMMITTER: Final = "cadence-sync <cadence-sync@users.zoho.invalid>"
_PATH_MAX: Final = 200
_COLUMNS: Final = {
    **CADENCE_FIELDS,
    **SUMMARY_FIELDS,
    **{f"execution_{name}" if name in {"type", "end_date"} else name: path for name, path in EXECUTION_FIELDS.items()},
}
"""Column of the export → path of its field."""
_act: Final = itemgetter("org_id", "run_id", "valid_from", "changed_by_id", "changed_by_name", "kind")
"""What the versions of one commit share. The kind too: to git a removed and an added file look like a rename."""
Version = dict[str, Any]


def render_author(person_id: str | None, name: str | None) -> str:
    """Returns an author as git takes it: a name without brackets and line ends, an address that is not mailed to."""
    plain = "".join(" " if char in "<>" or not char.isprintable() else char for char in name or "")
    shown = " ".join(plain.split()) or (person_id and quote(person_id, safe="")) or _UNKNOWN
    return f"{shown} <{quote(person_id or _UNKNOWN, safe='')}@users.zoho.invalid>"


def render_message(group: Sequence[Version]) -> str:
    first = group[0]
    fields = [_fields(version) for version in group]
    body = "\n".join(line for pair in zip(group, fields, strict=True) for line in _paragraph(*pair))
    subject = _subject(first, fields[0]) if len(group) == 1 else f"{len(group)} cadences: {KIND_PLURALS[first['kind']]}"
    return f"{subject}\n\n{body}\n\n{_place(first)}"


def render_discovery_message(discovered: Sequence[tuple[Version, Mapping[str, object]]]) -> str:
    names = [f"{_name(v['document'])} ({v['cadence_id']}): {', '.join(sorted(more))}" for v, more in discovered]
    lines = "\n".join(one_line(name) for name in names)
    why = "They were not sent before; since when they are so is not known."
    return f"Fields that became known\n\n{why}\n\n{lines}\n\n{_place(discovered[0][0])}"


def _place(version: Version) -> str:
    # Fields that an older release discovered have no run.
    run = "" if version["run_id"] is None else f"Run: {version['run_id']}\n"
    return f"Organization: {one_line(version['org_id'])}\n{run}"


def _fields(version: Version) -> list[FieldChange]:
    changes: Iterable[FieldChange] = (FieldChange(*change) for change in version["fields"] or [])
    if version["kind"] == "restored":  # the history has no rows of what differs between deletion and restore
        changes = changed_fields(from_document(version["before"]), from_document(version["document"]))
    return without_audit_fields(changes)


def _subject(version: Version, fields: Sequence[FieldChange]) -> str:
    name = _name(version["document"])
    if version["kind"] != "updated":
        return f"{name}: {KIND_WORDS[version['kind']]}"
    if not fields:
        return f"{name}: {INVISIBLE_EDIT}"
    paths = [change.field for change in fields]
    return f"{name}: {', '.join(paths) if len(paths) <= _NAMED_FIELDS else f'{len(paths)} fields'} changed"


def _paragraph(version: Version, fields: Iterable[FieldChange]) -> Iterator[str]:
    of = f"{_name(version['document'])} ({version['cadence_id']}), version {version['version']}"
    yield one_line(f"{of}: {KIND_WORDS[version['kind']]}")
    for field in fields:
        yield f"  {describe_field(field)}"


def _name(document: dict[str, Any]) -> str:
    name = one_line(document.get("name") or "").strip() or "without a name"
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"


async def stream_commits(versions: AsyncIterator[Version]) -> AsyncIterator[bytes]:
    """Yields the commands; one commit holds the versions of one person, time, run and kind."""
    group: list[Version] = []
    async for version in versions:
        if group and _act(group[0]) != _act(version):
            yield render_commit(group)
            group = []
        group.append(version)
    if group:
        yield render_commit(group)
    yield b"done\n"


def render_commit(group: Sequence[Version]) -> bytes:
    """Renders a commit, after one without author for discovered fields: nobody is to be blamed for those."""
    first = group[0]
    time = int(first["valid_from"].timestamp())
    befores = [
        (version, from_document(version["before"] or {}) | (version["discovered_before"] or {})) for version in group
    ]
    discovered = [(version, known, more) for version, known in befores if (more := _discovered_in(version, known))]
    commits = []
    if discovered:
        text = render_discovery_message([(version, more) for version, _, more in discovered])
        files = [_file(version, known | more) for version, known, more in discovered]
        commits.append(_commit(render_author(None, None), time, text, files))
    if first["kind"] != DISCOVERED:
        author = render_author(first["changed_by_id"], first["changed_by_name"])
        files = [_file(version, from_document(version["document"])) for version in group]
        commits.append(_commit(author, time, render_message(group), files))
    return b"".join(commits)


def _discovered_in(version: Version, before: Config) -> Config:
    if version["kind"] == DISCOVERED:
        return dict(version["discovered"])
    if version["kind"] != "updated":
        return {}
    return {path: leaf for path, leaf in from_document(version["document"]).items() if path not in before}


def path_of(version: Version) -> str:
    """Returns a cadence's file, named by id: it stays when the cadence is renamed."""
    return f"{_component(version['org_id'])}/{_component(version['cadence_id'])}.yaml"


def render_content(version: Version, config: Config) -> str:
    """Renders a cadence's known fields under the names of the export's columns.

    Labels are not part of the history, and left out: a commit never changes once it is made.
    """
    known = {column: config[path] for column, path in _COLUMNS.items() if path in config}
    execution = to_document(config).get("execution_details")
    if isinstance(execution, dict) and "unenroll_properties" in execution:
        known["unenroll_properties"] = execution["unenroll_properties"]
    return render_yaml({"org_id": version["org_id"], "cadence_id": version["cadence_id"], **known})


def _component(text: str) -> str:
    """Returns a path component that git and every file system accept, whatever the id holds."""
    encoded = quote(text, safe="").replace("~", "%7E")
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    if len(encoded) <= _PATH_MAX:
        return encoded or "%"
    return f"{encoded[: _PATH_MAX // 2]}-{hashlib.sha256(text.encode()).hexdigest()}"


def _commit(author: str, time: int, text: str, files: Iterable[bytes]) -> bytes:
    head = f"commit {NEXT}\nauthor {author} {time} +0000\ncommitter {_COMMITTER} {time} +0000\n"
    return b"".join([head.encode(), _data(text), *files])


def _file(version: Version, config: Config) -> bytes:
    path = path_of(version)
    if version.get("kind") == "deleted":
        return f"D {path}\n".encode()
    return f"M 100644 inline {path}\n".encode() + _data(render_content(version, config))


def _data(text: str) -> bytes:
    encoded = text.encode()
    return b"data %d\n%s\n" % (len(encoded), encoded)
