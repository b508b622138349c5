"""`history`: the versions of one cadence as a time line on a terminal, as lines for programs elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from cadence_sync import wiring
from cadence_sync.cli.output import one_line, print_json, print_table
from cadence_sync.cli.read import one_cadence
from cadence_sync.cli.words import KINDS, UNSEEN, Field, draft_in_words, in_words, returned_with, told
from cadence_sync.settings import Settings

_INDENT = " " * 16


async def history_command(settings: Settings, org_id: str | None, cadence_id: str, *, as_json: bool) -> None:
    """Show every version of one cadence."""
    from cadence_sync.db import past

    async with wiring.database(settings) as engine:
        row = await one_cadence(engine, org_id, cadence_id)
        async with past.snapshot(engine) as connection:
            versions = await past.versions(connection, row["org_id"], cadence_id)
    if as_json:
        print_json(versions)
        return
    print_history(str(row["name"]), versions)


def print_history(name: str, versions: Sequence[dict[str, Any]]) -> None:
    """Print versions, each followed by what changed in it."""
    if sys.stdout.isatty():
        print(f"History of {one_line(name)} (times in UTC)")
        print("\n".join(timeline(versions)))
        return
    columns = ("version", "from", "kind", "field", "before", "after", "by")
    print_table("", columns, [line for version in versions for line in _lines(version)])


def timeline(versions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each day, each version and each changed field."""
    befores = [None, *versions[:-1]]
    pairs = list(zip(befores, versions, strict=True))
    for day, of_day in groupby(pairs, lambda pair: pair[1]["valid_from"].date()):
        yield f"\n{day}"
        for before, version in of_day:
            yield from _told(before, version)


def _told(before: dict[str, Any] | None, version: dict[str, Any]) -> Iterator[str]:
    fields = [(c["field"], c["old_value"], c["new_value"]) for c in version["changes"] if c["field"] != "*"]
    if version["kind"] == "restored" and before is not None:
        fields = returned_with(before["document"], version["document"])
    shown = told(fields)
    yield f"  {version['valid_from']:%H:%M:%S}  {'v' + str(version['version']):<4} {_headline(version, shown)}"
    yield from (f"{_INDENT}{in_words(field)}" for field in shown)
    draft = draft_in_words(before, version)
    if draft is not None:
        yield f"{_INDENT}{draft}"


def _headline(version: dict[str, Any], shown: Sequence[Field]) -> str:
    what, more = (UNSEEN if version["kind"] == "updated" and not shown else KINDS[version["kind"]]).partition(",")[::2]
    names = {c["changed_by_name"] or c["changed_by_id"] for c in version["changes"]} - {None}
    who = f" by {one_line(min(names))}" if names else ""
    seen = "" if version["valid_from"] == version["observed_at"] else f", seen {one_line(version['observed_at'])}"
    return f"{what}{who}{more and ','}{more} (run {version['run_id']}{seen})"


def _lines(version: dict[str, Any]) -> list[Sequence[object]]:
    head = (version["version"], version["valid_from"], version["kind"])
    changes = [change for change in version["changes"] if change["field"] != "*"]
    who = next((change["changed_by_name"] for change in version["changes"]), None)
    if not changes:
        return [(*head, None, None, None, who)]
    return [(*head, c["field"], c["old_value"], c["new_value"], who) for c in changes]
