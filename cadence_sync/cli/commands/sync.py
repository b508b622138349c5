"""`sync`: one report an organization, and the exit code of the most severe."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import echo, print_json, print_rows, show_error
from cadence_sync.cli.options import Json, Orgs, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, run
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import one_line
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report, most_severe
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.ports import ProgressCallback

_HELD: Final = (
    "{count} missing cadence(s) are held: too many to be deleted unasked.\n"
    "Hint: `cadence-sync approve {run}` deletes them, `cadence-sync reject {run}` keeps them."
)
_COLUMNS: Final = (
    "org_id", "run_id", "outcome", "seen", "baseline", "created", "updated", "deleted", "restored",
    "unchanged", "quarantined", "held", "api_calls",
)  # fmt: skip
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync sync",
        "cadence-sync sync --org acme --org globex --json",
        "cadence-sync sync --dry-run",
        "cadence-sync sync --queue --org acme",
    )
)
def sync(
    context: typer.Context,
    org: Orgs = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Delete all that is missing, however many they are.")
    ] = False,
    allow_other_org: Annotated[
        bool, typer.Option("--allow-other-org", help="Accept a listing that shares no cadence with what is stored.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Let a worker do it, ahead of what the schedule asks for.")
    ] = False,
    as_json: Json = False,
) -> None:
    wiring.load()
    settings_of, org_ids = partial(read_settings, context), org or []
    if not queue:
        permits = {"allow_mass_delete": allow_mass_delete, "allow_other_org": allow_other_org}
        raise typer.Exit(run(sync_orgs(settings_of, org_ids, dry_run=dry_run, as_json=as_json, **permits)))
    if dry_run or allow_mass_delete or allow_other_org:
        raise ArgumentError(
            "--queue leaves the work to a worker: no other option but --org and --json goes with it.",
            hint="Sync here, without --queue, to try something or to permit something.",
        )
    raise typer.Exit(run(_enqueue_orgs(read_settings(context), org_ids, as_json=as_json)))


async def sync_orgs(
    settings_of: Callable[[], Settings],
    org_ids: Sequence[str] = (),
    *,
    dry_run: bool = False,
    as_json: bool = False,
    **permits: bool,
) -> int:
    """Syncs organizations one after the other and returns the exit code; one's failure never stops another."""
    from cadence_sync.orgs.registry import enabled_orgs, select_orgs  # imports the database, which `--help` needs not

    by = current_actor()

    async def sync_one(org_id: str, org: OrgConfig | CadenceSyncError) -> Report:
        if isinstance(org, CadenceSyncError):
            return Report(org_id, None, Outcome.FAILED, Counters(), error=ErrorInfo.of(org))
        with _progress(org_id, quiet=as_json) as on_progress:
            async with wiring.sync(settings, engine, org, on_progress, by, **permits) as sync:
                return await (sync.preview() if dry_run else sync.run("command"))

    try:
        settings = settings_of()
        async with wiring.database(settings) as engine:
            orgs = await (select_orgs(settings, engine, org_ids) if org_ids else enabled_orgs(settings, engine))
            reports = [await sync_one(org_id, org) for org_id, org in orgs.items()]
    except CadenceSyncError as error:
        reports = [Report(None, None, Outcome.FAILED, None, error=ErrorInfo.of(error))]
    if as_json:
        print_json([report.to_json() for report in reports])
    else:
        _print(reports)
    return most_severe(report.exit_code for report in reports)


async def _enqueue_orgs(settings: Settings, org_ids: Sequence[str], *, as_json: bool) -> int:
    from cadence_sync.daemon.queue import request_syncs  # PgQueuer, which a plain sync does not need
    from cadence_sync.db.audit import enter_alone
    from cadence_sync.db.engine import translate_errors
    from cadence_sync.db.queue import check_queue
    from cadence_sync.orgs.registry import enabled_orgs, select_orgs

    async with wiring.long_lived_database(settings) as database:
        engine = database.engine
        with translate_errors():
            async with engine.connect() as connection:
                await check_queue(connection)
        orgs = await (select_orgs(settings, engine, org_ids) if org_ids else enabled_orgs(settings, engine))
        states = await request_syncs(
            database.direct_url, [org for org in orgs.values() if not isinstance(org, CadenceSyncError)]
        )
        for org_id, state in states.items():
            await enter_alone(engine, current_actor(), "sync", state, org_id=org_id)
    requests = [{"org_id": org_id, "state": state} for org_id, state in states.items()]
    print_rows("Requests", ("org_id", "state"), requests, as_json=as_json)
    errors = [org for org in orgs.values() if isinstance(org, CadenceSyncError)]
    for error in errors:
        show_error(error)
    return most_severe(error.exit_code for error in errors)


def _print(reports: Sequence[Report]) -> None:
    known = [report.to_json() for report in reports if report.org_id is not None]
    if known:
        print_rows("Sync", _COLUMNS, known)
    for report in reports:
        if report.outcome is Outcome.HELD and report.counters is not None:
            echo(_HELD.format(count=report.counters.held, run=report.run_id or "RUN"), sys.stderr)
        if report.error is not None:
            where = f"{report.org_id}: " if report.org_id and len(reports) > 1 else ""
            error = report.error
            show_error(CadenceSyncError(f"{where}{error.message}", hint=error.hint, code=error.code))


@contextmanager
def _progress(org_id: str, *, quiet: bool) -> Iterator[ProgressCallback | None]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    # Here, not above: rich takes as long to import as the rest, and is for terminals only.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("pages"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(one_line(org_id), total=None)
        yield lambda arrived, expected: bar.update(task, completed=arrived, total=expected)
