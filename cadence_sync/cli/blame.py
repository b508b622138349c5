"""`blame`: for every field of one cadence, the version that gave it its value."""

import sys
from collections.abc import Sequence
from typing import Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.output import not_before, one_line, print_json, print_table
from cadence_sync.cli.read import one_cadence
from cadence_sync.cli.version_text import value_in_words
from cadence_sync.config.settings import Settings
from cadence_sync.core.blame import DISCOVERED, Blamed, blame
from cadence_sync.core.diff import Kind

_HANG: Final = 4
_AT_LEAST: Final = {DISCOVERED, Kind.BASELINE.value}
_COLUMNS: Final = ("field", "value", "since", "kind", "by", "version", "run")


async def blame_command(settings: Settings, org_id: str | None, cadence_id: str, *, as_json: bool) -> None:
    """Show the last change of each field of one cadence."""
    from cadence_sync.db.queries import history

    async with wiring.database(settings) as engine:
        row = await one_cadence(engine, org_id, cadence_id)
        async with history.snapshot(engine) as connection:
            versions = await history.observed_versions(connection, row["org_id"], cadence_id)
    lines = blame(versions)
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
                "fields": [_as_json(line) for line in lines],
            }
        )
        return
    if gone:
        when = one_line(gone.valid_from)
        echo(f"Deleted: since {when} (run {gone.run_id}) it is no longer listed; these are its last known values.")
    rows = [_as_row(line) for line in lines]
    if sys.stdout.isatty():
        echo(f"Blame of {one_line(row['name'])} (times in UTC)\n")
        echo("\n".join(annotated(rows)), hang=_HANG)
        return
    print_table("", _COLUMNS, rows)


def annotated(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return one line a field as `git blame` has them: what is known of the change in columns, then the field."""
    cells = [
        [one_line(since), one_line(kind), one_line(by), f"v{version} run {one_line(run)}"]
        for _, _, since, kind, by, version, run in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    heads = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in cells]
    return [f"{head}  {row[0]}: {row[1]}" for head, row in zip(heads, rows, strict=True)]


def _as_json(line: Blamed) -> dict[str, object]:
    origin = line.origin
    return {
        "field": line.field,
        "value": line.value,
        "kind": origin.kind,
        "since": origin.since,
        "version": origin.version,
        "run_id": origin.run_id,
        "changed_by_id": origin.changed_by_id,
        "changed_by_name": origin.changed_by_name,
    }


def _as_row(line: Blamed) -> tuple[object, ...]:
    origin = line.origin
    who = origin.changed_by_name or origin.changed_by_id
    since = f"at least {not_before(origin.since)}" if origin.kind in _AT_LEAST else one_line(origin.since)
    return (line.field, value_in_words(line.value), since, origin.kind, who, origin.version, origin.run_id)
