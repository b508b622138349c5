"""`doctor`: everything that a sync needs, looked at one by one, each with what to do about it."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import typer

from cadence_sync.cli.console import print_json
from cadence_sync.cli.options import Json, Orgs, examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.core.labels import one_line
from cadence_sync.core.report import most_severe
from cadence_sync.doctor.checks import Check, CheckState, passed
from cadence_sync.doctor.examination import examine_all

FEW: Final = 3
"""Organizations up to which every line is shown."""
_MARKS: Final = {CheckState.OK: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.UNKNOWN: "-"}
_COLORS: Final = {
    CheckState.OK: "green",
    CheckState.WARNING: "yellow",
    CheckState.FAILED: "bold red",
    CheckState.UNKNOWN: "dim",
}
app = new_app()


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
    settings_of, org_ids = partial(read_settings, context), org or []
    checks = run(examine_all(settings_of, org_ids, deep=deep, offline=offline, debug=context.obj.debug))
    if as_json:
        print_json([check.to_json() for check in checks])
    else:
        _print(_shortened(checks, everything=bool(org_ids)), checks)
    raise typer.Exit(most_severe(check.exit_code for check in checks))


def _shortened(checks: Sequence[Check], *, everything: bool) -> list[Check]:
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
            print("\n".join((f"{_MARKS[check.state]} {_said(check)}", *_cure(check))))
        print(total)
        return
    from rich.console import Console  # here: `--json` and pipes need no rich
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for check in shown:
        console.print(Text.assemble((f"{_MARKS[check.state]} ", _COLORS[check.state]), _said(check)))
        for cure in _cure(check):
            console.print(Text(cure, style="bold"))
    console.print(total)


def _said(check: Check) -> str:
    org = "" if check.org_id is None else f"{check.org_id}: "
    return one_line(f"{org}{check.name}: {check.message}")


def _cure(check: Check) -> list[str]:
    return [f"    → {one_line(check.hint)}"] if check.hint else []
