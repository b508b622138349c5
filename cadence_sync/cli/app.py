"""The program `cadence-sync`: its commands, and how an error ends it."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from cadence_sync.cli import declarations as commands
from cadence_sync.cli import org_declarations as org
from cadence_sync.cli.commands import alerts
from cadence_sync.cli.examples import epilog
from cadence_sync.cli.output import show_error
from cadence_sync.cli.stdout import guarded_stdout
from cadence_sync.errors import CadenceSyncError

WIDEST: Final = 100
"""Columns of a help text, however wide the terminal is: longer lines are hard to read."""

app = typer.Typer(
    name="cadence-sync",
    help="Copies the configuration of Zoho CRM cadences into Postgres and keeps its complete history.",
    epilog=epilog("")
    + "\n\nExit codes: 0 done · 1 not found, or a defect · 2 settings or arguments · 3 credentials or permission"
    " · 4 Zoho or the network · 5 database · 6 deletions await a decision · 7 records in quarantine"
    " · 8 another run of the organization was first.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": WIDEST},
)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings file; default: ./cadence-sync.toml, then the user's.")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="CADENCE_SYNC_DEBUG", help="Show the traceback of an error too.")
    ] = False,
) -> None:
    """Take the options that every command shares."""
    context.obj.config, context.obj.debug = config, debug


for command in commands.COMMANDS:
    app.command(command.name, help=command.help, epilog=epilog(command.name))(command.function)
app.add_typer(org.app, name="org", short_help=org.app.info.help)
app.add_typer(alerts.app, name="alerts", short_help=alerts.app.info.help)
for group in (app, org.app, alerts.app):
    for registered in group.registered_commands:  # whole and wrapped: typer's own summary would be cut off with dots
        registered.short_help = (getattr(registered.callback, "__doc__", None) or "").partition("\n")[0]


def run_app() -> None:
    """Run the program; an error is one sentence and a hint on stderr, and its exit code."""
    shared = commands.Shared()
    try:
        with guarded_stdout():
            app(obj=shared)
    except CadenceSyncError as error:
        _end(error, error, debug=shared.debug)
    except Exception as error:  # noqa: BLE001 - a defect ends the program as any other error does
        _end(error, _defect(error, debug=shared.debug), debug=shared.debug)


def _defect(error: Exception, *, debug: bool) -> CadenceSyncError:
    """Return what is said of a defect: its own text may hold anything, so only the traceback has it."""
    where = "above" if debug else "that `cadence-sync --debug …` shows"
    return CadenceSyncError(
        f"Unexpected {type(error).__name__}.", hint=f"This is a defect: please report it with the traceback {where}."
    )


def _end(cause: Exception, error: CadenceSyncError, *, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(cause)  # no local variables: among those are secrets
    show_error(error)
    sys.exit(error.exit_code)
