"""`history`: the versions of one cadence as a time line on a terminal, as lines for programs elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.output import one_line, print_json, print_table
from cadence_sync.cli.read import one_cadence
from cadence_sync.cli.version_text import (
    describe_field,
    draft_in_words,
    returned_with,
    value_in_words,
    visible_changes,
)
from cadence_sync.config.settings import Settings
from cadence_sync.core.blame import DISCOVERED
from cadence_sync.core.labels import INVISIBLE_EDIT, KIND_WORDS
from cadence_sync.core.records import FieldChange

_INDENT = " " * 16


async def history_command(settings: Settings, org_id: str | None, cadence_id: str, *, as_json: bool) -> None:
    """Show every version of one cadence."""
    from cadence_sync.db.queries import history

    async with wiring.database(settings) as engine:
        row = await one_cadence(engine, org_id, cadence_id)
        async with history.snapshot(engine) as connection:
            versions = await history.versions(connection, row["org_id"], cadence_id)
    if as_json:
        print_json(versions)
        return
    print_history(str(row["name"]), versions)


def print_history(name: str, versions: Sequence[dict[str, Any]]) -> None:
    """Print versions, each followed by what changed in it."""
    if sys.stdout.isatty():
        echo(f"History of {one_line(name)} (times in UTC)")
        echo("\n".join(timeline(versions)), hang=len(_INDENT) + 2)
        return
    columns = ("version", "from", "kind", "field", "before", "after", "by", "run")
    print_table("", columns, [line for version in versions for line in _lines(version)])


def timeline(versions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each day, each version and each changed field."""
    for day, of_day in groupby(_entries(versions), lambda entry: entry[0].date()):
        yield f"\n{day}"
        for _, lines in of_day:
            yield from lines


def _entries(versions: Sequence[dict[str, Any]]) -> Iterator[tuple[datetime, Iterator[str]]]:
    """Yield the time and the lines of each version, and of what became known of it before the next."""
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
    if version["kind"] == "restored" and before is not None:
        fields = returned_with(before["document"], version["document"])
    shown = visible_changes(fields)
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
