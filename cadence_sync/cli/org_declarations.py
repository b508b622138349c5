"""The commands below `org`: their options and arguments."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cadence_sync.cli.examples import epilog
from cadence_sync.cli.options import Json
from cadence_sync.cli.runtime import run

OrgId = Annotated[str, typer.Argument(metavar="ID", help="The organization's id, as `org list` shows it.")]
SecretFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file that holds it; - for stdin, a line each.")
]
Interval = Annotated[str | None, typer.Option(help="How often to sync it: 90s, 15m, 2h, 1d.")]
Cron = Annotated[str | None, typer.Option(help="A cron line of five fields instead.")]
TimeZone = Annotated[str | None, typer.Option(help="Of the cron line, like Europe/Paris.")]
Replace = Annotated[bool, typer.Option("--replace", help="Give an organization that is stored new credentials.")]


def add(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    org_id: Annotated[str | None, typer.Argument(metavar="ID", help="A name of your choice.")] = None,
    *,
    data_center: Annotated[str | None, typer.Option(help="us, eu, in, au, jp, cn, ca, sa or uk.")] = None,
    client_id: Annotated[str | None, typer.Option(help="Of the self client in Zoho's API console.")] = None,
    client_secret_file: SecretFile = None,
    refresh_token_file: SecretFile = None,
    grant_code_file: SecretFile = None,
    interval: Interval = None,
    cron: Cron = None,
    time_zone: TimeZone = None,
    api_url: Annotated[str | None, typer.Option(help="Another address of the API.")] = None,
    accounts_url: Annotated[str | None, typer.Option(help="Another address that hands out tokens.")] = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Add an organization: prove its credentials by one call, and store them encrypted."""
    from cadence_sync.cli.commands.org_add import add_command
    from cadence_sync.cli.prompts import complete_fields

    fields = {
        "org_id": org_id,
        "data_center": data_center,
        "client_id": client_id,
        "interval": interval,
        "cron": cron,
        "time_zone": time_zone,
        "api_url": api_url,
        "accounts_url": accounts_url,
    }
    files = {
        "client_secret": client_secret_file,
        "refresh_token": refresh_token_file,
        "grant_code": grant_code_file,
    }
    settings = context.obj.settings()
    run(add_command(settings, complete_fields(settings, fields, files), again=replace, as_json=as_json))


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .toml or .csv file; its form is in the docs.")],
    replace: Replace = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Store without asking Zoho.")] = False,
    as_json: Json = False,
) -> None:
    """Add many organizations, each proved; those that fail are named, the others are stored."""
    from cadence_sync.cli.org_import import import_command

    code = run(import_command(context.obj.settings(), file, again=replace, prove=not no_check, as_json=as_json))
    raise typer.Exit(code)


def list_(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Removed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List the organizations: where their credentials are, when they are synced, how they fare."""
    from cadence_sync.cli.commands.org import list_command

    run(list_command(context.obj.settings(), every=every, as_json=as_json))


def remove(
    context: typer.Context,
    org_id: OrgId,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its whole history too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Purge without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Sync an organization no more and delete its credentials; its history stays unless it is purged."""
    from cadence_sync.cli.commands.org import purge_command, remove_command
    from cadence_sync.cli.prompts import confirm_purge

    settings = context.obj.settings()
    if not purge:
        run(remove_command(settings, org_id, as_json=as_json))
        return
    if not yes:
        confirm_purge(org_id)
    run(purge_command(settings, org_id, as_json=as_json))


def pause(context: typer.Context, org_id: OrgId, as_json: Json = False) -> None:
    """Leave an organization out until it is resumed; `sync --org` still syncs it."""
    from cadence_sync.cli.commands.org import enable_command

    run(enable_command(context.obj.settings(), org_id, enabled=False, as_json=as_json))


def resume(context: typer.Context, org_id: OrgId, as_json: Json = False) -> None:
    """Sync an organization again, at its usual times, whatever failed before."""
    from cadence_sync.cli.commands.org import enable_command

    run(enable_command(context.obj.settings(), org_id, enabled=True, as_json=as_json))


def schedule(
    context: typer.Context,
    org_id: OrgId,
    *,
    interval: Interval = None,
    cron: Cron = None,
    time_zone: TimeZone = None,
    default: Annotated[bool, typer.Option("--default", help="As the settings say, for all that have none.")] = False,
    as_json: Json = False,
) -> None:
    """Say when an organization is synced, or change it: daemons follow within seconds."""
    from cadence_sync.cli.org_schedule import schedule_command

    given = {"interval": interval, "cron": cron, "time_zone": time_zone}
    run(schedule_command(context.obj.settings(), org_id, given, default=default, as_json=as_json))


app: Final = typer.Typer(help="Add, list, pause and remove organizations.", no_args_is_help=True)
for function in (add, import_, list_, schedule, remove, pause, resume):
    name = function.__name__.rstrip("_")
    app.command(name, epilog=epilog(f"org {name}"))(function)
