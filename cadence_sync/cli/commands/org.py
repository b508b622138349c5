"""`org list`, `org pause`, `org resume` and `org remove`."""

import sys
from typing import Annotated, Any, Final

import typer

from cadence_sync.cli.console import echo, print_json, print_rows, print_table
from cadence_sync.cli.options import Json, OrgId, examples, new_app
from cadence_sync.cli.prompts import has_terminal, prompt
from cadence_sync.cli.runtime import current_actor, read_settings, with_database
from cadence_sync.config.orgs import in_settings_error, load_or_error, named_orgs
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import one_line
from cadence_sync.db import orgs
from cadence_sync.errors import ArgumentError

_COLUMNS: Final = (
    "org_id", "data_center", "credentials", "enabled", "sync_interval_seconds", "sync_cron", "time_zone",
    "consecutive_failures", "last_run_at", "removed_at",
)  # fmt: skip
app = new_app()


@app.command("list", epilog=examples("cadence-sync org list", "cadence-sync org list --all --json"))
def list_(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Removed ones too.")] = False,
    as_json: Json = False,
) -> None:
    settings = read_settings(context)
    stored, named = with_database(settings, orgs.load_orgs), named_orgs(settings)
    rows = [_row(settings, org_id, stored.get(org_id), org_id in named) for org_id in sorted({*named, *stored})]
    shown = [row for row in rows if every or row["removed_at"] is None or row["credentials"] == "settings"]
    print_rows("Organizations (times in UTC)", _COLUMNS, shown, as_json=as_json)


def _row(settings: Settings, org_id: str, stored: orgs.OrgRow | None, named: bool) -> dict[str, Any]:
    config = load_or_error(settings, org_id) if named else None
    data_center = getattr(config, "data_center", None) or (stored and stored.data_center)
    place = "settings" if named else "database" if stored is not None and stored.is_stored else None
    columns = ("enabled", *_COLUMNS[4:])
    values = {name: getattr(stored, name) for name in columns} if stored else dict.fromkeys(columns) | {"enabled": True}
    return {"org_id": org_id, "data_center": data_center, "credentials": place} | values


@app.command(epilog=examples("cadence-sync org remove acme", "cadence-sync org remove acme --purge"))
def remove(
    context: typer.Context,
    org_id: OrgId,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its whole history too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Purge without asking.")] = False,
    as_json: Json = False,
) -> None:
    settings = read_settings(context)
    if purge and not yes:
        _confirm_purge(org_id)
    if org_id in named_orgs(settings):
        raise in_settings_error(org_id)  # the next sync would bring it back
    counts: dict[str, int] | None = None
    if purge:
        counts = with_database(settings, lambda engine: orgs.purge(engine, org_id, current_actor()))
    else:
        with_database(settings, lambda engine: orgs.remove_org(engine, org_id, current_actor()))
    if as_json:
        print_json({"org_id": org_id, "purged": counts})
    elif counts is None:
        echo(one_line(f"{org_id!r} is synced no more and its credentials are deleted; its history stays."))
    else:
        print_table("Rows deleted", ("table", "rows"), [(name, count) for name, count in counts.items() if count])
        echo(one_line(f"Nothing but the audit log is left of {org_id!r} here; backups and exports have it still."))


def _confirm_purge(org_id: str) -> None:
    """Lets a person type the id of what is to be deleted; raises `ArgumentError` for anything else."""
    if not has_terminal():
        raise ArgumentError("Nobody can be asked whether to delete the history.", hint="Add --yes.")
    echo("Its whole history will be deleted: nothing can bring it back.", sys.stderr)
    if prompt("Type the organization's id") != org_id:
        raise ArgumentError("That is another id: nothing was deleted.")


@app.command(epilog=examples("cadence-sync org pause acme"))
def pause(context: typer.Context, org_id: OrgId, as_json: Json = False) -> None:
    _enable(context, org_id, enabled=False, as_json=as_json)


@app.command(epilog=examples("cadence-sync org resume acme"))
def resume(context: typer.Context, org_id: OrgId, as_json: Json = False) -> None:
    _enable(context, org_id, enabled=True, as_json=as_json)


def _enable(context: typer.Context, org_id: str, *, enabled: bool, as_json: bool) -> None:
    by = current_actor()
    with_database(read_settings(context), lambda engine: orgs.set_enabled(engine, org_id, by, enabled=enabled))
    if as_json:
        print_json({"org_id": org_id, "enabled": enabled})
    else:
        echo(one_line(f"{org_id!r} is {'synced again' if enabled else 'paused'}."))
