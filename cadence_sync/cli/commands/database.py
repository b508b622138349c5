"""`migrate`, `grant-reader`, `prune` and `rotate-keys`: care for the database."""

from dataclasses import asdict
from typing import Annotated

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import print_json, print_table, show_note, show_warning
from cadence_sync.cli.options import Json, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, with_database
from cadence_sync.config.settings import retention_of
from cadence_sync.daemon import migration
from cadence_sync.db import credentials, diagnostics, grants, pruning, server_versions
from cadence_sync.db.engine import Engine
from cadence_sync.db.revision import REPORTING
from cadence_sync.errors import SettingsError

app = new_app()


@app.command(epilog=examples("cadence-sync migrate"))
def migrate(context: typer.Context) -> None:
    revision, server = with_database(read_settings(context), _migrate, direct=True)
    if advice := server_versions.upgrade_advice(server.number, server.readers):
        show_warning(*advice)
    print(f"The database is at revision {revision}.")


async def _migrate(engine: Engine) -> tuple[str, diagnostics.Server]:
    return await migration.migrate(engine, current_actor()), await diagnostics.server(engine)


@app.command(
    epilog=examples(
        "cadence-sync grant-reader metabase", "cadence-sync grant-reader partner --org acme --org acme-sandbox"
    )
)
def grant_reader(
    context: typer.Context,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role of the database that exists.")],
    org: Annotated[
        list[str] | None,
        typer.Option("--org", help="Limit it to this organization; may be repeated. Without it, the role reads all."),
    ] = None,
) -> None:
    orgs, by = org or [], current_actor()
    with_database(read_settings(context), lambda engine: grants.grant_reader(engine, role, by, orgs))
    limits = f", of {', '.join(sorted(set(orgs)))} only" if orgs else ""
    print(f"The role {role!r} may read {REPORTING}{limits}, and no table behind it.")


@app.command(epilog=examples("cadence-sync prune --dry-run", "cadence-sync prune --keep 30d"))
def prune(
    context: typer.Context,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="TIME", help="How long to keep them, like 14d; at least 1d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many would go, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    settings = read_settings(context)
    try:
        retention = settings.retention if keep is None else retention_of(keep)
    except ValueError as error:
        raise SettingsError(f"--keep: {error}.", hint="Days are the usual unit: 14d.") from None
    now = wiring.SystemClock().now()
    by = current_actor()
    pruned = asdict(
        with_database(settings, lambda engine: pruning.prune(engine, now, retention, by=by, dry_run=dry_run))
    )
    if as_json:
        print_json(pruned | {"dry_run": dry_run})
        return
    busy = pruned.pop("busy")
    print_table("Rows that would go" if dry_run else "Rows deleted", list(pruned), [list(pruned.values())])
    if busy:
        show_note(f"{busy} organization(s) were being written and were left for the next time.")


@app.command(epilog=examples("cadence-sync rotate-keys"))
def rotate_keys(context: typer.Context, as_json: Json = False) -> None:
    settings = read_settings(context)
    keys, by = settings.encryption_key_list, current_actor()
    done = with_database(settings, lambda engine: credentials.rotate_keys(engine, keys, by))
    if as_json:
        print_json(asdict(done))
    else:
        print(
            f"Encrypted anew: the credentials of {done.credentials} organization(s), {done.tokens} access token(s);"
            f" under the first key already: {done.current}."
        )
    done.check()
