"""`status`, `list` and `show`: what the tables say now, for people or as JSON."""

from typing import Annotated, Any, Final

import typer

from cadence_sync.cli.console import echo, print_fields, print_json, print_rows
from cadence_sync.cli.lookup import check_org, find_one_cadence
from cadence_sync.cli.options import CadenceId, Json, OneOrg, examples, new_app
from cadence_sync.cli.runtime import read_settings, with_database
from cadence_sync.core.labels import one_line
from cadence_sync.db.engine import Engine
from cadence_sync.db.queries import current, history
from cadence_sync.db.scope import OrgScope

_STATUS: Final = (
    "org_id", "live", "deleted", "last_success_at", "last_outcome", "last_error_code",
    "held", "missing", "quarantined", "drift",
)  # fmt: skip
_LIST: Final = (
    "cadence_id", "name", "type", "status", "published", "module_api_name", "last_changed_at", "deleted_at",
)  # fmt: skip
app = new_app()


@app.command(epilog=examples("cadence-sync status", "cadence-sync status --json"))
def status(context: typer.Context, as_json: Json = False) -> None:
    rows = with_database(read_settings(context), current.load_status)
    if as_json:
        print_json(rows)
        return
    print_rows("Organizations (times in UTC)", _STATUS, rows)
    for row in rows:
        if row["held"]:
            run_id = row["held_run_id"]
            echo(one_line(f"{row['org_id']}: {row['held']} deletion(s) are held: approve {run_id} or reject {run_id}."))
        if row["last_error_message"]:
            echo(one_line(f"{row['org_id']}: {row['last_error_message']} {row['last_error_hint'] or ''}".rstrip()))


@app.command("list", epilog=examples("cadence-sync list", "cadence-sync list --org acme --deleted --json"))
def list_(
    context: typer.Context,
    org: OneOrg = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted cadences too.")] = False,
    as_json: Json = False,
) -> None:
    rows = with_database(read_settings(context), lambda engine: _list(engine, org, deleted=deleted))
    several = len({row["org_id"] for row in rows}) > 1
    print_rows("Cadences (times in UTC)", ("org_id", *_LIST) if several else _LIST, rows, as_json=as_json)


async def _list(engine: Engine, org_id: str | None, *, deleted: bool) -> list[dict[str, Any]]:
    if org_id is not None:
        async with history.snapshot(engine) as connection:
            check_org(await history.load_history_start(connection, OrgScope()), org_id)
    return await current.list_cadences(engine, OrgScope(org_id), deleted=deleted)


@app.command(epilog=examples("cadence-sync show 3652397000017949001"))
def show(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    row = with_database(read_settings(context), lambda engine: find_one_cadence(engine, org, cadence_id))
    if as_json:
        print_json(row)
    else:
        print_fields(row)
