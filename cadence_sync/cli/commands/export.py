"""`export`: the state at a time as JSON, YAML or CSV; or, with --git, the whole history."""

import os
import stat
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import show_note
from cadence_sync.cli.lookup import check_org, note_unwatched, parse_time
from cadence_sync.cli.options import At, Json, OneOrg, WhichAxis, examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import Axis
from cadence_sync.db.queries import as_of, history
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError
from cadence_sync.export.fast_import import stream_commits
from cadence_sync.export.git import Repository
from cadence_sync.export.state import COLUMNS, StateFormat, render_state

app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync export --at 2026-03-01T09:00Z --format csv --output cadences.csv",
        "cadence-sync export --git cadences-history",
    )
)
def export(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    at: At = "now",
    org: OneOrg = None,
    axis: WhichAxis = Axis.VALID,
    form: Annotated[StateFormat | None, typer.Option("--format", help="Default: json.")] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="A file, written whole or not at all; - for stdout."),
    ] = None,
    git: Annotated[
        str | None, typer.Option("--git", metavar="DIR", help="Replay the whole history as commits in this folder.")
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="CSV for programs: values as stored, which a spreadsheet may run as formulas."),
    ] = False,
    as_json: Json = False,
) -> None:
    for option, name in (("--output", output), ("--git", git)):
        if name == "":  # it would be the folder that one is in
            raise ArgumentError(f"{option} has no name.", hint="Name a file or folder, or leave the option out.")
    if git is not None:
        if (at, axis, form, output, raw, as_json) != ("now", Axis.VALID, None, None, False, False):
            raise ArgumentError(
                "--git replays the whole history: no option but --org goes with it.",
                hint="`export --git DIR [--org ID]`.",
            )
        repository = Repository.at(Path(git))
        run(_replay(read_settings(context), repository, org))
        return
    if as_json and form not in (None, "json"):
        raise ArgumentError(f"--json and --format {form} contradict each other.", hint="Leave one out.")
    if raw and form != "csv":
        raise ArgumentError("--raw is for CSV only.", hint="Add --format csv; JSON and YAML hold values as stored.")
    time = parse_time(at, "--at", wiring.SystemClock().now())
    run(
        _write_state(
            read_settings(context), time, org, axis, partial(render_state, form=form or "json", raw=raw), output
        )
    )


async def _write_state(
    settings: Settings,
    at: datetime,
    org: str | None,
    axis: Axis,
    render: Callable[..., str],
    output: str | None,
) -> None:
    async with wiring.database(settings) as engine, history.snapshot(engine) as connection:
        watched = await history.load_history_start(connection, OrgScope())
        check_org(watched, org)
        note_unwatched(watched, org, at)
        await as_of.check_time(connection, at)
        rows, _ = await as_of.list_as_of(connection, as_of.PastQuery(at, axis, COLUMNS, OrgScope(org)))
    rows = sorted(rows, key=lambda row: (row.org_id, row.name is None, row.name, row.cadence_id))
    if output is None or output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(render(rows, for_terminal=sys.stdout.isatty()).encode())
    else:
        _write_whole(Path(output), render(rows).encode())


async def _replay(settings: Settings, repository: Repository, org: str | None) -> None:
    async with wiring.database(settings) as engine, history.snapshot(engine) as connection:
        check_org(await history.load_history_start(connection, OrgScope()), org)
        await repository.take(org, stream_commits(history.replay(connection, OrgScope(org))))
    if not await repository.has_commits():
        show_note("No cadence is stored yet: the repository has no commit.")


def _write_whole(path: Path, content: bytes) -> None:
    """Writes a temporary file next to the target and moves it there: a reader never sees a part.

    It names people: a new file is for its owner alone, and one that is replaced keeps its mode.
    """
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a device or a pipe, which must not become a file
            return
        with ExitStack() as stack:
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
            part.touch(mode=0o600, exist_ok=False)
            stack.callback(part.unlink, missing_ok=True)  # not of a file that was there before
            with part.open("wb") as file:
                file.write(content)
                part.chmod(mode)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:
        raise ArgumentError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Nothing was left behind; name a file in a folder that you may write to.",
            code="OUTPUT_NOT_WRITABLE",
        ) from error
