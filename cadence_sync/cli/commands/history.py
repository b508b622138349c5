"""`history` and `blame`: the versions of one cadence as a time line, and the one that gave each field its value."""

import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

import typer

from cadence_sync.cli.console import echo, print_json, print_table
from cadence_sync.cli.lookup import find_one_cadence, not_before
from cadence_sync.cli.options import CadenceId, Json, OneOrg, examples, new_app
from cadence_sync.cli.runtime import read_settings, with_database
from cadence_sync.core.blame import DISCOVERED, Blamed
from cadence_sync.core.blame import blame as blame_fields
from cadence_sync.core.canonical import changed_fields, from_document
from cadence_sync.core.diff import Kind
from cadence_sync.core.labels import (
    INVISIBLE_EDIT,
    KIND_WORDS,
    describe_field,
    draft_in_words,
    one_line,
    value_in_words,
    without_audit_fields,
)
from cadence_sync.core.records import FieldChange
from cadence_sync.db.engine import Engine, EngineConnection
from cadence_sync.db.queries import history as queries

T = TypeVar("T")
_INDENT: Final = " " * 16
_AT_LEAST: Final = {DISCOVERED, Kind.BASELINE.value}
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync history 3652397000017949001",
        "cadence-sync history 3652397000017949001 --json",
    )
)
def history(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    row, versions = with_database(
        read_settings(context), lambda engine: load_history(engine, org, cadence_id, queries.load_versions)
    )
    if as_json:
        print_json(versions)
    else:
        print_history(str(row["name"]), versions)


async def load_history(
    engine: Engine,
    org_id: str | None,
    cadence_id: str,
    query: Callable[[EngineConnection, str, str], Awaitable[list[T]]],
) -> tuple[dict[str, Any], list[T]]:
    row = await find_one_cadence(engine, org_id, cadence_id)
    async with queries.snapshot(engine) as connection:
        return row, await query(connection, row["org_id"], cadence_id)


def print_history(name: str, versions: Sequence[dict[str, Any]]) -> None:
    if sys.stdout.isatty():
        echo(f"History of {one_line(name)} (times in UTC)")
        echo("\n".join(render_timeline(versions)), hang=len(_INDENT) + 2)
        return
    columns = ("version", "from", "kind", "field", "before", "after", "by", "run")
    print_table("", columns, [line for version in versions for line in _lines(version)])


def render_timeline(versions: Sequence[dict[str, Any]]) -> Iterator[str]:
    for day, of_day in groupby(_entries(versions), lambda entry: entry[0].date()):
        yield f"\n{day}"
        for _, lines in of_day:
            yield from lines


def _entries(versions: Sequence[dict[str, Any]]) -> Iterator[tuple[datetime, Iterator[str]]]:
    for before, version in zip([None, *versions[:-1]], versions, strict=True):
        yield version["valid_from"], _describe_changes(before, version)
        in_order = sorted(version["discovered"], key=itemgetter("observed_at"))
        for time, fields in groupby(in_order, itemgetter("observed_at")):
            yield time, _discovered_entry(time, list(fields))


def _discovered_entry(time: datetime, fields: Sequence[dict[str, Any]]) -> Iterator[str]:
    run = fields[0]["run_id"]
    yield f"  {time:%H:%M:%S}       became known, not sent before{'' if run is None else f' (run {run})'}"
    yield from (f"{_INDENT}{field['field']}: {value_in_words(field['value'])}" for field in fields)


def _describe_changes(before: dict[str, Any] | None, version: dict[str, Any]) -> Iterator[str]:
    fields = [FieldChange(c["field"], c["old_value"], c["new_value"]) for c in version["changes"] if c["field"] != "*"]
    if version["kind"] == "restored" and before is not None:  # no rows say what differs between deletion and restore
        fields = changed_fields(from_document(before["document"]), from_document(version["document"]))
    shown = without_audit_fields(fields)
    yield f"  {version['valid_from']:%H:%M:%S}  {'v' + str(version['version']):<4} {_headline(version, shown)}"
    yield from (f"{_INDENT}{describe_field(field)}" for field in shown)
    draft = draft_in_words(before, version)
    if draft is not None:
        yield f"{_INDENT}{draft}"


def _headline(version: dict[str, Any], shown: Sequence[FieldChange]) -> str:
    what = INVISIBLE_EDIT if version["kind"] == "updated" and not shown else KIND_WORDS[version["kind"]]
    what, more = what.partition(",")[::2]
    names = {c["changed_by_name"] or c["changed_by_id"] for c in version["changes"]} - {None}
    who = f" by {one_line(min(names))}" if names else ""
    seen = "" if version["valid_from"] == version["observed_at"] else f", seen {one_line(version['observed_at'])}"
    return f"{what}{who}{more and ','}{more} (run {version['run_id']}{seen})"


def _lines(version: dict[str, Any]) -> list[Sequence[object]]:
    number, run = version["version"], version["run_id"]
    head = (number, version["valid_from"], version["kind"])
    who = next((change["changed_by_name"] for change in version["changes"]), None)
    changes: list[Sequence[object]] = [
        (*head, change["field"], change["old_value"], change["new_value"], who, run)
        for change in version["changes"]
        if change["field"] != "*"
    ]
    discovered = [
        (number, field["observed_at"], DISCOVERED, field["field"], None, field["value"], None, field["run_id"])
        for field in version["discovered"]
    ]
    return [*(changes or [(*head, None, None, None, who, run)]), *discovered]


@app.command(epilog=examples("cadence-sync blame 3652397000017949001"))
def blame(context: typer.Context, cadence_id: CadenceId, org: OneOrg = None, as_json: Json = False) -> None:
    row, versions = with_database(
        read_settings(context), lambda engine: load_history(engine, org, cadence_id, queries.load_observed_versions)
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
        echo("\n".join(align_lines(rows)), hang=4)
        return
    print_table("", ("field", "value", "since", "kind", "by", "version", "run"), rows)


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
