"""The commands that look back: `history`, `blame`, `diff` and `export`."""

from typing import Annotated

import typer

from cadence_sync.cli.options import At, AxisOption, CadenceId, Format, Json, OneOrg, WhichAxis
from cadence_sync.cli.runtime import run


def history(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    """Show every version of one cadence and what changed in it, as a time line."""
    from cadence_sync.cli.commands.history import history_command

    run(history_command(context.obj.settings(), org, cadence_id, as_json=as_json))


def blame(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    """Show, for every field of one cadence, since when it is so, who changed it, and which run saw that."""
    from cadence_sync.cli.commands.blame import blame_command

    run(blame_command(context.obj.settings(), org, cadence_id, as_json=as_json))


def diff(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    from_: Annotated[str | None, typer.Option("--from", metavar="T", help="The earlier time.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="T", help="The later time; default: now.")] = None,
    org: OneOrg = None,
    from_org: Annotated[str | None, typer.Option("--from-org", help="Compare this organization …")] = None,
    to_org: Annotated[str | None, typer.Option("--to-org", help="… with this one.")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="T", help="When; default: now.")] = None,
    axis: WhichAxis = AxisOption.VALID,
    as_json: Json = False,
) -> None:
    """Show what differs between two times, or between two organizations."""
    from cadence_sync.cli.commands.diff import DiffArgs, diff_command

    args = DiffArgs(from_, to, org, from_org, to_org, at, axis, as_json)
    run(diff_command(context.obj.settings, args))


def export(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    at: At = "now",
    org: OneOrg = None,
    axis: WhichAxis = AxisOption.VALID,
    form: Annotated[Format | None, typer.Option("--format", help="Default: json.")] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="A file, written whole or not at all; - for stdout."),
    ] = None,
    git: Annotated[
        str | None, typer.Option("--git", metavar="DIR", help="Replay the whole history as commits in this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export the state at a time as JSON, YAML or CSV, or the whole history as a git repository."""
    from cadence_sync.cli.commands.export import ExportArgs, export_command

    run(export_command(context.obj.settings, ExportArgs(at, org, axis, form, output, git, as_json)))
