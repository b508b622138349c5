"""`audit export`: prints the audit log, for people and for log collectors."""

import json
import sys
from typing import Annotated, Any, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import print_json, print_rows
from cadence_sync.cli.lookup import parse_time
from cadence_sync.cli.options import Json, OneOrg, examples, new_app
from cadence_sync.cli.runtime import read_settings, with_database
from cadence_sync.core.labels import json_default
from cadence_sync.db import audit
from cadence_sync.db.engine import Engine
from cadence_sync.errors import ArgumentError

_COLUMNS: Final = ("action_id", "done_at", "source", "done_by", "action", "org_id", "run_id", "result")
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync audit export",
        "cadence-sync audit export --json --since 2026-03-01T00:00Z",
        "cadence-sync audit export --lines --org acme",
    )
)
def export(
    context: typer.Context,
    *,
    org: OneOrg = None,
    since: Annotated[str | None, typer.Option("--since", metavar="T", help="Only what was done since then.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Print JSON, one entry a line, and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    if lines and as_json:
        raise ArgumentError("--lines and --json are two forms of the same.", hint="Give one of them.")
    settings = read_settings(context)
    then = None if since is None else parse_time(since, "--since", wiring.SystemClock().now())

    async def load(engine: Engine) -> list[dict[str, Any]]:
        found = []
        async for entry in audit.stream_actions(engine, org, then):
            if lines:
                json.dump(entry, sys.stdout, default=json_default, ensure_ascii=False)
                sys.stdout.write("\n")
            else:
                found.append(dict(entry))
        return found

    entries = with_database(settings, load)
    if as_json:
        print_json(entries)
    elif not lines:
        print_rows("Audit log, oldest first (times in UTC)", _COLUMNS, entries)
