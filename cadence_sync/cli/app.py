"""The program `cadence-sync`: its commands, loaded by name, and how an error ends it."""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from cadence_sync import __version__
from cadence_sync.cli.commands import COMMANDS, GROUPS, module_of
from cadence_sync.cli.console import guard_stdout, show_error
from cadence_sync.cli.options import SharedOptions, examples
from cadence_sync.errors import CadenceSyncError

WIDEST: Final = 100
"""Columns of a help text, however wide the terminal is: longer lines are hard to read."""

root = typer.Typer(
    name="cadence-sync",
    help="Copies the configuration of Zoho CRM cadences into Postgres and keeps its complete history.",
    epilog=examples("cadence-sync init", "cadence-sync sync", "cadence-sync status", "cadence-sync sync --help")
    + "\n\nExit codes: 0 done · 1 not found, or a defect · 2 settings or arguments · 3 credentials or permission"
    " · 4 Zoho or the network · 5 database · 6 deletions await a decision · 7 records in quarantine"
    " · 8 another run of the organization was first.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"max_content_width": WIDEST},
)


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:  # as completion parses
        print(f"cadence-sync {__version__}")
        raise typer.Exit


@root.callback()
def set_shared_options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings file; default: ./cadence-sync.toml, then the user's.")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="CADENCE_SYNC_DEBUG", help="Show the traceback of an error too.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    context.obj.config, context.obj.debug = config, debug


class LazyCommand(TyperCommand):
    """A command as lists and completion know it; its module is imported when it is called or asked for help."""

    def __init__(self, path: str, short_help: str) -> None:
        super().__init__(path.rpartition(" ")[2], short_help=short_help)
        self.module = module_of(path)

    def load(self) -> Any:
        command = get_group(import_module(self.module).app).commands[str(self.name)]
        command.help = self.short_help
        return command

    def make_context(self, *args: Any, **extra: Any) -> Any:
        return self.load().make_context(*args, **extra)


def build_program() -> Any:
    program: Any = get_command(root)
    groups = {
        name: TyperGroup(name=name, help=text, short_help=text, no_args_is_help=True, rich_markup_mode=None)
        for name, text in GROUPS.items()
    }
    for path, short_help in COMMANDS.items():
        group = groups.get(path.partition(" ")[0], program)
        group.add_command(LazyCommand(path, short_help))
    program.commands |= groups
    return program


def run_app() -> None:
    """Runs the program; an error is one sentence and a hint on stderr, and its exit code."""
    shared = SharedOptions()
    try:
        with guard_stdout():
            build_program()(obj=shared)
    except CadenceSyncError as error:
        _end(error, error, debug=shared.debug)
    except Exception as error:  # noqa: BLE001 - a defect ends the program as any other error does
        # Its own text may hold anything, so only the traceback has it.
        where = "above" if shared.debug else "that `cadence-sync --debug …` shows"
        hint = f"This is a defect: please report it with the traceback {where}."
        _end(error, CadenceSyncError(f"Unexpected {type(error).__name__}.", hint=hint), debug=shared.debug)


def _end(cause: Exception, error: CadenceSyncError, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(cause)  # no local variables: among those are secrets
    show_error(error)
    sys.exit(error.exit_code)
