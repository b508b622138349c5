"""`blame`: for every field of one cadence, the version that gave it its value."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer

from cadence_sync.cli.commands.history import load_versions
from cadence_sync.cli.console import echo, print_json, print_table
from cadence_sync.cli.lookup import not_before
from cadence_sync.cli.options import CadenceId, Json, OneOrg, examples, new_app
from cadence_sync.cli.runtime import read_settings, with_database
from cadence_sync.core.blame import DISCOVERED, Blamed
from cadence_sync.core.blame import blame as blame_fields
from cadence_sync.core.diff import Kind
from cadence_sync.core.labels import one_line, value_in_words
from cadence_sync.db.queries.history import load_observed_versions

_HANG: Final = 4
_AT_LEAST: Final = {DISCOVERED, Kind.BASELINE.value}
_COLUMNS: Final = ("field", "value", "since", "kind", "by", "version", "run")
app = new_app()


@app.command(epilog=examples("cadence-sync blame 3652397000017949001"))
def blame(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    row, versions = with_database(
        read_settings(context), lambda engine: load_versions(engine, org, cadence_id, load_observed_versions)
    )
    lines = blame_fields(versions)
    last = versions[-1]
    gone = last if last.kind is Kind.DELETED else None
    if as_json:
        print_json(
            {
                "org_id": row["org_id"],
                "cadence_id": cadence_id,
                "name": row["name"],
                "deleted_at": gone and gone.valid_from,
                "deleted_in_run": gone and gone.run_id,
                "fields": [{"field": line.field, "value": line.value, **asdict(line.origin)} for line in lines],
            }
        )
        return
    if gone:
        when = one_line(gone.valid_from)
        echo(f"Deleted: since {when} (run {gone.run_id}) it is no longer listed; these are its last known values.")
    rows = [_as_row(line) for line in lines]
    if sys.stdout.isatty():
        echo(f"Blame of {one_line(row['name'])} (times in UTC)\n")
        echo("\n".join(align_lines(rows)), hang=_HANG)
        return
    print_table("", _COLUMNS, rows)


def align_lines(rows: Sequence[Sequence[object]]) -> list[str]:
    """Returns one line a field like `git blame`: the change in columns, then the field."""
    cells = [
        [one_line(since), one_line(kind), one_line(by), f"v{version} run {one_line(run)}"]
        for _, _, since, kind, by, version, run in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    heads = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in cells]
    return [f"{head}  {row[0]}: {row[1]}" for head, row in zip(heads, rows, strict=True)]


def _as_row(line: Blamed) -> tuple[object, ...]:
    origin = line.origin
    who = origin.changed_by_name or origin.changed_by_id
    since = f"at least {not_before(origin.since)}" if origin.kind in _AT_LEAST else one_line(origin.since)
    return (line.field, value_in_words(line.value), since, origin.kind, who, origin.version, origin.run_id)
