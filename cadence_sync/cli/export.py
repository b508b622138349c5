"""`export`: the state at a time as JSON, YAML or CSV; or, with --git, the whole history."""

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from cadence_sync import wiring
from cadence_sync.cli.history_start import check_org, unwatched
from cadence_sync.cli.options import AxisOption, Format
from cadence_sync.cli.time_args import moment
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import Axis
from cadence_sync.errors import ArgumentError

COLUMNS: Final = (
    *("org_id", "cadence_id", "name", "description", "type", "status", "active", "published"),
    *("module_id", "module_api_name", "custom_view_id", "custom_view_name"),
    *("created_time", "created_by_id", "created_by_name", "modified_time", "modified_by_id", "modified_by_name"),
    *("email_follow_up_count", "task_follow_up_count", "call_follow_up_count", "whatsapp_follow_up_count"),
    *("follow_up_count", "execution_type", "execution_end_date", "automatic_unenroll"),
    *("execute_every_unit", "execute_every_period", "execution_interval", "unenroll_type", "unenroll_end_date"),
    *("unenroll_properties", "version", "first_seen_at", "last_changed_at"),
)
_STDOUT: Final = "-"
_SEPARATOR: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


@dataclass(frozen=True, slots=True)
class ExportArgs:
    """The options of `export`."""

    at: str
    org: str | None
    axis: AxisOption
    form: Format | None
    output: str | None
    git: str | None
    as_json: bool

    def check(self) -> None:
        """Refuse an empty name: it would be the folder that one is in."""
        for option, name in (("--output", self.output), ("--git", self.git)):
            if name == "":
                raise ArgumentError(f"{option} has no name.", hint="Name a file or folder, or leave the option out.")

    def chosen(self) -> Format:
        """Return the format; `--json` is short for one of them."""
        if self.as_json and self.form not in (None, Format.JSON):
            raise ArgumentError(f"--json and --format {self.form} contradict each other.", hint="Leave one out.")
        return self.form or Format.JSON


async def export_command(settings: Callable[[], Settings], args: ExportArgs) -> None:
    """Write the state, whole or not at all."""
    from cadence_sync.db.queries import as_of, history

    args.check()
    if args.git is not None:
        await _export_git(settings, args, args.git)
        return
    form = args.chosen()
    at = moment(args.at, "--at", wiring.SystemClock().now())
    async with wiring.database(settings()) as engine, history.snapshot(engine) as connection:
        watched = await history.history_start(connection)
        check_org(watched, args.org)
        unwatched(watched, args.org, at)
        query = as_of.PastQuery(at, Axis(args.axis), COLUMNS, args.org)
        rows, _ = await as_of.list_as_of(connection, query)
    in_order = sorted(rows, key=lambda row: (row.org_id, row.name is None, row.name, row.cadence_id))
    text = WRITERS[form]([{name: _plain(getattr(row, name)) for name in COLUMNS} for row in in_order])
    if args.output is None or args.output == _STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
    else:
        _write_whole(Path(args.output), text.encode())


async def _export_git(settings: Callable[[], Settings], args: ExportArgs, folder: str) -> None:
    from cadence_sync.export.fast_import import replay_into
    from cadence_sync.export.git import Repository

    if (args.at, args.axis, args.form, args.output, args.as_json) != ("now", AxisOption.VALID, None, None, False):
        raise ArgumentError(
            "--git replays the whole history: --at, --axis, --format, --output and --json do not go with it.",
            hint="`export --git DIR [--org ID]`.",
        )
    await replay_into(Repository.at(Path(folder)), settings(), args.org)


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """Return a JSON array."""
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"


def as_yaml(value: object) -> str:
    """Return a YAML document that says the same as the JSON: a time is text, as it is there."""
    import yaml

    return yaml.dump(value, Dumper=_dumper(), allow_unicode=True, sort_keys=False, width=10**6)


def as_yaml_list(rows: Sequence[dict[str, Any]]) -> str:
    """Return a YAML sequence; one row after the other, for the writer keeps a tree of all that it writes at once."""
    return "".join(as_yaml([row]) for row in rows) or as_yaml([])


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return lines as RFC 4180 has them; null is empty, for nothing that is stored is an empty text."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows([{name: _cell(value) for name, value in row.items()} for row in rows])
    return out.getvalue()


WRITERS: Final[dict[Format, Callable[[Sequence[dict[str, Any]]], str]]] = {
    Format.JSON: as_json,
    Format.YAML: as_yaml_list,
    Format.CSV: as_csv,
}


@cache
def _dumper() -> Any:
    """Return the writer in Python: that in C, if there is one, escapes other characters, and commits would differ."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes every value out, also one that came before."""

        def ignore_aliases(self, data: object) -> bool:
            del data
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        # In its other styles PyYAML writes some line separators so that it reads another character back.
        style = '"' if _SEPARATOR.search(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else value


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file beside the one that is meant and put it in its place: a reader never sees a part."""
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a device or a pipe, which must not become a file
            return
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ArgumentError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Nothing was left behind; name a file in a folder that you may write to.",
            code="OUTPUT_NOT_WRITABLE",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
