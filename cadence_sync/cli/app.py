"""The program `cadence-sync`: its commands, and how an error ends it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cadence_sync.cli import alerts, commands, org
from cadence_sync.cli.output import show_error
from cadence_sync.cli.streams import guarded_stdout
from cadence_sync.errors import CadenceSyncError

app = typer.Typer(
    name="cadence-sync",
    help="Copies the configuration of Zoho CRM cadences into Postgres and keeps its complete history.",
    epilog="Exit codes: 0 done · 1 not found, or a defect · 2 settings or arguments · 3 credentials or permission"
    " · 4 Zoho or the network · 5 database · 6 deletions await a decision · 7 records in quarantine"
    " · 8 another run of the organisation was first.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings file; default: ./cadence-sync.toml, then the user's.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Take the options that every command shares."""
    context.obj = commands.Shared(config=config, debug=debug)


for command in commands.COMMANDS:
    app.command(command.name, help=command.help)(command.function)
app.add_typer(org.app, name="org")
app.add_typer(alerts.app, name="alerts")


def run_app() -> None:
    """Run the program; an error of ours is one sentence and a hint on stderr, and its exit code."""
    try:
        with guarded_stdout():
            app()
    except CadenceSyncError as error:
        if "--debug" in sys.argv:
            raise
        show_error(error)
        sys.exit(error.exit_code)
