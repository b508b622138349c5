"""`sync`: one report an organization, and the exit code of the gravest."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.output import one_line, print_json, print_table, show_error
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report, exit_code_of
from cadence_sync.errors import CadenceSyncError
from cadence_sync.orgs.registry import enabled_orgs, select_orgs
from cadence_sync.ports import ProgressCallback

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_HELD: Final = (
    "{count} missing cadence(s) are held: too many to be deleted unasked.\n"
    "Hint: `cadence-sync approve {run}` deletes them, `cadence-sync reject {run}` keeps them."
)
TRIGGER: Final = "command"
_COLUMNS: Final = (
    "org_id", "run_id", "outcome", "seen", "baseline", "created", "updated", "deleted", "restored",
    "unchanged", "quarantined", "held", "api_calls",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SyncArgs:
    """What the command line asked for."""

    orgs: Sequence[str]
    dry_run: bool
    as_json: bool
    allow_mass_delete: bool = False
    allow_other_org: bool = False


async def sync_command(settings_of: Callable[[], Settings], args: SyncArgs) -> int:
    """Sync the wanted organizations one after the other; one's failure never stops another."""
    try:
        settings = settings_of()
        async with wiring.database(settings) as engine:
            orgs = await (select_orgs(settings, engine, args.orgs) if args.orgs else enabled_orgs(settings, engine))
            reports = [await _sync_one(settings, engine, name, org, args) for name, org in orgs.items()]
    except CadenceSyncError as error:
        reports = [Report(None, None, Outcome.FAILED, None, error=ErrorInfo.of(error))]
    _print(reports, as_json=args.as_json)
    return exit_code_of(reports)


async def _sync_one(
    settings: Settings, engine: "AsyncEngine", org_id: str, org: OrgConfig | CadenceSyncError, args: SyncArgs
) -> Report:
    if isinstance(org, CadenceSyncError):
        return Report(org_id, None, Outcome.FAILED, Counters(), error=ErrorInfo.of(org))
    permits = {"allow_mass_delete": args.allow_mass_delete, "allow_other_org": args.allow_other_org}
    with _progress(org_id, quiet=args.as_json) as on_progress:
        async with wiring.sync(settings, engine, org, on_progress, **permits) as sync:
            return await (sync.preview() if args.dry_run else sync.run(TRIGGER))


def _print(reports: Sequence[Report], *, as_json: bool) -> None:
    if as_json:
        print_json([report.to_json() for report in reports])
        return
    known = [report.to_json() for report in reports if report.org_id is not None]
    if known:
        print_table("Sync", _COLUMNS, [[row[name] for name in _COLUMNS] for row in known])
    for report in reports:
        if report.outcome is Outcome.HELD and report.counters is not None:
            echo(_HELD.format(count=report.counters.held, run=report.run_id or "RUN"), sys.stderr)
        if report.error is not None:
            where = f"{report.org_id}: " if report.org_id and len(reports) > 1 else ""
            error = report.error
            show_error(CadenceSyncError(f"{where}{error.message}", hint=error.hint, code=error.code))


@contextmanager
def _progress(org_id: str, *, quiet: bool) -> Iterator[ProgressCallback | None]:
    """Show a bar of pages on a terminal, and nothing where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(one_line(org_id), total=None)
        yield lambda arrived, expected: bar.update(task, completed=arrived, total=expected)
