"""`export --git`: every version in the order of its changes, as a stream for `git fast-import`."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from cadence_sync import wiring
from cadence_sync.cli.export import as_yaml
from cadence_sync.cli.history_start import check_org
from cadence_sync.cli.output import one_line, show_note
from cadence_sync.cli.version_text import describe_field, returned_with, visible_changes
from cadence_sync.config.settings import Settings
from cadence_sync.core.blame import DISCOVERED
from cadence_sync.core.canonical import from_document, to_document
from cadence_sync.core.fields import FIELDS
from cadence_sync.core.labels import INVISIBLE_EDIT, KIND_PLURALS, KIND_WORDS
from cadence_sync.core.records import Config, FieldChange
from cadence_sync.export.git import NEXT, Repository

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
    subject = _subject(first, fields[0]) if len(group) == 1 else f"{len(group)} cadences: {KIND_PLURALS[first['kind']]}"
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


def _fields(version: Version) -> list[FieldChange]:
    if version["kind"] == "restored":
        return visible_changes(returned_with(version["before"], version["document"]))
    return visible_changes(FieldChange(*change) for change in version["fields"] or [])


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


_COMMITTER: Final = "cadence-sync <cadence-sync@users.zoho.invalid>"
_PATH_MAX: Final = 200
_EXECUTION: Final = "execution_details."


async def replay_into(repository: Repository, settings: Settings, org: str | None) -> None:
    """Bring a repository to what the tables say: new commits follow those that it has."""
    from cadence_sync.db.queries import history

    async with wiring.database(settings) as engine, history.snapshot(engine) as connection:
        check_org(await history.history_start(connection), org)
        await repository.take(org, _stream(history.replay(connection, org)))
    if not await repository.has_commits():
        show_note("No cadence is stored yet: the repository has no commit.")


async def _stream(versions: AsyncIterator[Version]) -> AsyncIterator[bytes]:
    group: list[Version] = []
    async for version in versions:
        if group and _act(group[0]) != _act(version):
            yield commit(group)
            group = []
        group.append(version)
    if group:
        yield commit(group)
    yield b"done\n"


def _act(version: Version) -> tuple[object, ...]:
    """Return what versions have in common that are one commit.

    Of one kind: a commit that removes one file and adds another looks to git as if the one became the other.
    """
    names = ("org_id", "run_id", "valid_from", "changed_by_id", "changed_by_name", "kind")
    return tuple(version[name] for name in names)


def commit(group: Sequence[Version]) -> bytes:
    """Return the commit of versions that one person made at one time, all of one kind.

    What was discovered before goes ahead in a commit of its own: git would blame that person for it.
    """
    first = group[0]
    author = identity(first["changed_by_id"], first["changed_by_name"])
    befores = [(version, _before(version)) for version in group]
    discovered = [(version, before, more) for version, before in befores if (more := _is_discovered(version, before))]
    ahead = _discovered_commit(discovered, seconds(first)) if discovered else b""
    if first["kind"] == DISCOVERED:
        return ahead
    return b"".join(
        [
            ahead,
            _header(author, seconds(first), message(group)),
            *(_file(version, from_document(version["document"])) for version in group),
        ]
    )


def _before(version: Version) -> Config:
    """Return what was known of a cadence before this."""
    return from_document(version["before"] or {}) | (version["discovered_before"] or {})


def _is_discovered(version: Version, before: Config) -> Config:
    """Return what became known: by itself, or with a change of something else."""
    if version["kind"] == DISCOVERED:
        return dict(version["discovered"])
    if version["kind"] != "updated":
        return {}
    return {path: leaf for path, leaf in from_document(version["document"]).items() if path not in before}


def seconds(version: Version) -> int:
    """Return the time of a version as git counts."""
    return int(version["valid_from"].timestamp())


def path_of(version: Version) -> str:
    """Return the file of a cadence: it has no name in it, so that it stays when the cadence is renamed."""
    return f"{_component(version['org_id'])}/{_component(version['cadence_id'])}.yaml"


def content(version: Version, config: Config) -> str:
    """Return what is known of a cadence under the names of the export's columns; what is not known is left out.

    Labels are no part of the history, so they are not here: a commit never changes once it is made.
    """
    paths = {_column(path): path for path in FIELDS if path != "id" and "unenroll" not in path.rpartition(".")[0]}
    known = {column: config[path] for column, path in paths.items() if path in config}
    execution = to_document(config).get("execution_details")
    if isinstance(execution, dict) and "unenroll_properties" in execution:
        known["unenroll_properties"] = execution["unenroll_properties"]
    return as_yaml({"org_id": version["org_id"], "cadence_id": version["cadence_id"], **known})


def _column(path: str) -> str:
    if path.startswith(f"{_EXECUTION}execute_every."):
        return path.removeprefix(_EXECUTION).replace(".", "_")
    if path.startswith(_EXECUTION) and path != f"{_EXECUTION}automatic_unenroll":
        return f"execution_{path.removeprefix(_EXECUTION)}"
    return path.removeprefix(_EXECUTION).removeprefix("summary.").replace(".", "_")


def _component(text: str) -> str:
    """Return one part of a path that every file system and git take, whatever an id holds."""
    encoded = quote(text, safe="").replace("~", "%7E")
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    if len(encoded) <= _PATH_MAX:
        return encoded or "%"
    return f"{encoded[: _PATH_MAX // 2]}-{hashlib.sha256(text.encode()).hexdigest()}"


def _header(author: str, time: int, text: str) -> bytes:
    return b"".join(
        [
            f"commit {NEXT}\nauthor {author} {time} +0000\ncommitter {_COMMITTER} {time} +0000\n".encode(),
            _data(text),
        ]
    )


def _file(version: Version, config: Config) -> bytes:
    path = path_of(version)
    if version.get("kind") == "deleted":
        return f"D {path}\n".encode()
    return f"M 100644 inline {path}\n".encode() + _data(content(version, config))


def _data(text: str) -> bytes:
    encoded = text.encode()
    return b"data %d\n%s\n" % (len(encoded), encoded)


def _discovered_commit(discovered: Sequence[tuple[Version, Config, Config]], time: int) -> bytes:
    """Nobody knows since when or by whom they are so: the commit has no author."""
    files = [_file(version, known | more) for version, known, more in discovered]
    text = discovered_message([(version, more) for version, _, more in discovered])
    return b"".join([_header(identity(None, None), time, text), *files])
