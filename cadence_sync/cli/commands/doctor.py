"""`doctor`: everything that a sync needs, looked at one by one, each with what to do about it."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import print_json
from cadence_sync.cli.options import Json, Orgs, examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.config.orgs import OrgConfig, configured_orgs, named_orgs
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import one_line
from cadence_sync.db import diagnostics, integrity
from cadence_sync.db import orgs as db_orgs
from cadence_sync.db.queries import current
from cadence_sync.doctor.checks import (
    MARKS,
    Check,
    CheckState,
    alert_checks,
    exit_code_of,
    failed,
    passed,
    run_check,
    skipped,
)
from cadence_sync.doctor.database import NAMES, database_checks, settings_checks
from cadence_sync.doctor.orgs import STORED, ZOHO, OrgFacts, stored_checks, zoho_checks
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError
from cadence_sync.orgs.onboarding import InMemoryTokenCache
from cadence_sync.orgs.registry import enabled_orgs, select_orgs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.zoho.http import Http

FEW: Final = 3
"""Organizations up to which every line is shown."""
AT_ONCE: Final = 8
"""Organizations checked side by side."""
_SHOWN: Final = 5
"""Exceptions that a message names."""
_COLORS: Final = {
    CheckState.OK: "green",
    CheckState.WARNING: "yellow",
    CheckState.FAILED: "bold red",
    CheckState.UNKNOWN: "dim",
}


app = new_app()


@dataclass(frozen=True, slots=True)
class DoctorArgs:
    """What the command line asks for."""

    orgs: Sequence[str] = ()
    deep: bool = False
    offline: bool = False
    debug: bool = False


@app.command(
    epilog=examples(
        "cadence-sync doctor",
        "cadence-sync doctor --org acme",
        "cadence-sync doctor --offline --json",
        "cadence-sync doctor --deep",
    )
)
def doctor(
    context: typer.Context,
    org: Orgs = None,
    deep: Annotated[bool, typer.Option("--deep", help="Prove that the whole stored history is consistent.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Zoho, one call an organization.")] = False,
    as_json: Json = False,
) -> None:
    args = DoctorArgs(org or [], deep, offline, context.obj.debug)
    checks = run(examine_all(partial(read_settings, context), args))
    if as_json:
        print_json([check.to_json() for check in checks])
    else:
        _print(_shortened(checks, everything=bool(args.orgs)), checks)
    raise typer.Exit(exit_code_of(checks))


async def examine_all(settings_of: Callable[[], Settings], args: DoctorArgs) -> list[Check]:
    """Runs every check that can run; without settings or a database, the rest is skipped."""
    try:
        settings = settings_of()
    except CadenceSyncError as error:
        names = ("database", *NAMES, "credentials", *ZOHO, *STORED)
        return [failed("settings", error), *skipped(names, "the settings cannot be read")]
    checks = [*settings_checks(settings), *await alert_checks(settings, debug=args.debug)]
    async with AsyncExitStack() as stack:
        engine: AsyncEngine | None = None
        try:
            there = await stack.enter_async_context(wiring.database(settings))
        except CadenceSyncError as error:
            checks += [failed("database", error), *skipped(NAMES, "the database cannot be reached")]
        else:
            found, usable = await database_checks(settings, there, debug=args.debug)
            checks, engine = [*checks, *found], there if usable else None
        if args.deep:
            checks += await _history(engine, debug=args.debug)
        return [*checks, *await _orgs(settings, engine, args)]


async def _history(engine: "AsyncEngine | None", *, debug: bool) -> list[Check]:
    if engine is None:
        return skipped(["history"], "the database cannot be read")
    findings = await run_check("history", lambda: integrity.examine(engine), debug=debug)
    return [findings] if isinstance(findings, Check) else [_finding(finding) for finding in findings]


def _finding(finding: integrity.Finding) -> Check:
    if finding.ok:
        return passed("history", finding.what)
    places = ", ".join("/".join(str(part) for part in place) for place in finding.exceptions[:_SHOWN])
    message = f"not true: {finding.what}: {len(finding.exceptions)} exceptions, such as {places}"
    hint = "Restore a backup from before, and please report how it came about."
    return Check(
        "history",
        CheckState.FAILED,
        message,
        hint,
        code="INTEGRITY_VIOLATION",
        exit_code=DatabaseError.exit_code,
        exceptions=finding.exceptions,
    )


async def _orgs(settings: Settings, engine: "AsyncEngine | None", args: DoctorArgs) -> list[Check]:
    """Checks each organization; without a database those that the settings name."""
    found = await run_check("organizations", lambda: _wanted(settings, engine, args.orgs), debug=args.debug)
    if isinstance(found, Check):
        return [found]
    known = OrgFacts() if engine is None else await run_check("organizations", lambda: _known(engine), debug=args.debug)
    if isinstance(known, Check):
        return [known]
    places, quick = asyncio.Semaphore(AT_ONCE), settings.model_copy(update={"zoho_max_attempts": 1})
    async with AsyncExitStack() as stack:
        http = None if args.offline else await stack.enter_async_context(wiring.session(quick))

        async def look(org_id: str, org: OrgConfig | CadenceSyncError) -> list[Check]:
            async with places:
                reached = await _reached(quick, http, engine, org_id, org, known.calls.get(org_id, 0))
            if engine is None:
                return [*reached, *skipped(STORED, "the database cannot be read", org_id)]
            return [*reached, *stored_checks(settings, org_id, known, wiring.SystemClock().now())]

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(run_check("organization", partial(look, org_id, org), org_id, debug=args.debug))
                for org_id, org in found.items()
            ]
    results = [task.result() for task in tasks]
    return [check for result in results for check in ([result] if isinstance(result, Check) else result)]


async def _reached(
    settings: Settings,
    http: "Http | None",
    engine: "AsyncEngine | None",
    org_id: str,
    org: OrgConfig | CadenceSyncError,
    calls: int,
) -> list[Check]:
    """Checks an organization's credentials, and Zoho by one call unless `http` is None."""
    if isinstance(org, CadenceSyncError):
        return [failed("credentials", org, org_id), *skipped(ZOHO, "the credentials are not known", org_id)]
    checks = [passed("credentials", f"they are there, for the data center {org.data_center!r}", org_id)]
    if http is None:
        return [*checks, *skipped(ZOHO, "--offline", org_id)]
    cache = InMemoryTokenCache() if engine is None else wiring.token_cache(settings, engine, org)
    return [*checks, *await zoho_checks(settings, http, org, cache, calls)]


async def _wanted(
    settings: Settings, engine: "AsyncEngine | None", org_ids: Sequence[str]
) -> Mapping[str, OrgConfig | CadenceSyncError]:
    if engine is not None:
        return await (select_orgs(settings, engine, org_ids) if org_ids else enabled_orgs(settings, engine))
    own = named_orgs(settings)
    if not own:
        raise SettingsError(
            "The settings name no organization, and the database cannot be asked.", hint="See to the database first."
        )
    return configured_orgs(settings, [org_id for org_id in org_ids if org_id in own])


async def _known(engine: "AsyncEngine") -> OrgFacts:
    return OrgFacts(
        await db_orgs.load_orgs(engine),
        {row["org_id"]: row for row in await current.load_status(engine)},
        await diagnostics.calls_of_the_day(engine, wiring.SystemClock().now()),
        await diagnostics.drift(engine),
    )


def _shortened(checks: Sequence[Check], *, everything: bool) -> list[Check]:
    """Leaves out what is well where there are many organizations."""
    orgs = {check.org_id for check in checks if check.org_id is not None}
    if everything or len(orgs) <= FEW:
        return list(checks)
    bad = {check.org_id for check in checks if check.state in {CheckState.WARNING, CheckState.FAILED}} & orgs
    some = [c for c in checks if c.org_id is None or (c.org_id in bad and c.state is not CheckState.OK)]
    return [*some, passed("organizations", f"{len(orgs) - len(bad)} of {len(orgs)} are well; --org ID shows one whole")]


def _print(shown: Sequence[Check], all_of_them: Sequence[Check]) -> None:
    counts = Counter(check.state for check in all_of_them)
    total = ", ".join(f"{counts[state]} {state}" for state in CheckState if counts[state])
    if not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
        for check in shown:
            print("\n".join((f"{MARKS[check.state]} {_said(check)}", *_cure(check))))
        print(total)
        return
    from rich.console import Console  # here: `--json` and pipes need no rich
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for check in shown:
        console.print(Text.assemble((f"{MARKS[check.state]} ", _COLORS[check.state]), _said(check)))
        for cure in _cure(check):
            console.print(Text(cure, style="bold"))
    console.print(total)


def _said(check: Check) -> str:
    org = "" if check.org_id is None else f"{check.org_id}: "
    return one_line(f"{org}{check.name}: {check.message}")


def _cure(check: Check) -> list[str]:
    return [f"    → {one_line(check.hint)}"] if check.hint else []
