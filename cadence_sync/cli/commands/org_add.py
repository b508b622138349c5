"""`org add` and `org import`: organizations, proved and stored; one's failure never stops another."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import echo, print_json
from cadence_sync.cli.new_org import Fields, complete_fields, parse_data_centers, parse_new_org, read_orgs
from cadence_sync.cli.options import Cron, Interval, Json, Probe, TimeZone, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, run, with_database
from cadence_sync.config.orgs import Schedule
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import one_line
from cadence_sync.core.report import most_severe
from cadence_sync.db.cipher import Cipher
from cadence_sync.db.engine import Engine
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.orgs.onboarding import NewOrg, add_org

SecretFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file that holds it; - for stdin, a line each.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Give an organization that is stored new credentials.")]
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync org add acme --data-center eu",
        "cadence-sync org add acme --refresh-token-file token.txt --interval 5m",
        "cadence-sync org add acme --replace --grant-code-file -",
    )
)
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
    probe: Probe = "",
    replace: Replace = False,
    as_json: Json = False,
) -> None:
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
    settings, others = read_settings(context), parse_data_centers(probe)
    wanted = parse_new_org(settings, complete_fields(settings, fields, files))
    by = current_actor()
    with_database(settings, lambda engine: add_org(settings, engine, wanted, by, again=replace, probe=others))
    org = wanted.org
    if as_json:
        print_json({"org_id": org.org_id, "data_center": org.data_center, **asdict(wanted.schedule or Schedule())})
    else:
        echo(one_line(f"Zoho lets cadence-sync read the cadences of {org.org_id!r} ({org.data_center}); it is stored."))


@app.command(
    "import",
    epilog=examples("cadence-sync org import orgs.csv", "cadence-sync org import orgs.toml --no-check --json"),
)
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .toml or .csv file; its form is in the docs.")],
    replace: Replace = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Store without asking Zoho.")] = False,
    probe: Probe = "",
    as_json: Json = False,
) -> None:
    settings, others = read_settings(context), parse_data_centers(probe)
    Cipher(settings.encryption_key_list)  # without a key no organization can be stored
    rows = read_orgs(file)
    org_ids = [(row["org_id"] or "").strip() for row in rows]
    counts = Counter(org_ids)

    def parse(row: Fields) -> NewOrg:
        wanted = parse_new_org(settings, row)
        if counts[wanted.org.org_id] > 1:
            raise ArgumentError("The file names it more than once.", hint="None of them was stored.", code="ORG_EXISTS")
        if wanted.grant_code and no_check:
            raise ArgumentError("A grant code cannot be swapped without asking Zoho.", hint="Leave out --no-check.")
        return wanted

    add = partial(add_org, settings, again=replace, prove=not no_check, probe=others)
    by = current_actor()
    errors = run(_add_all(settings, rows, lambda engine, row: add(engine, parse(row), by)))
    results = list(zip(org_ids, errors, strict=True))
    failed = [(org_id, error) for org_id, error in results if error is not None]
    for org_id, error in failed:
        echo(one_line(f"{org_id}: {error.message} {error.hint}".rstrip()), sys.stderr)
    if as_json:
        print_json([{"org_id": org_id, "error": error and _error_json(error)} for org_id, error in results])
    else:
        print(f"Stored {len(results) - len(failed)} of {len(results)} organizations.")
    raise typer.Exit(most_severe(error.exit_code for _, error in failed))


def _error_json(error: CadenceSyncError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


async def _add_all(
    settings: Settings, rows: list[Fields], add: Callable[[Engine, Fields], Awaitable[None]]
) -> list[CadenceSyncError | None]:
    places = asyncio.Semaphore(8)

    async def attempt(engine: Engine, row: Fields) -> CadenceSyncError | None:
        async with places:
            try:
                await add(engine, row)
            except CadenceSyncError as error:
                return error
        return None

    async with wiring.database(settings) as engine, asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(engine, row)) for row in rows]
    return [task.result() for task in tasks]
