"""`diff`: what differs between two times of the history, or between two organizations at one time."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import echo, print_json, show_note
from cadence_sync.cli.lookup import check_org, note_unwatched, parse_period, parse_time
from cadence_sync.cli.options import Json, OneOrg, WhichAxis, examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import Axis
from cadence_sync.core.records import FieldChange
from cadence_sync.core.text import one_line
from cadence_sync.core.version_text import describe_field
from cadence_sync.db.queries import as_of, history
from cadence_sync.errors import ArgumentError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_HANG: Final = 4
_WAYS: Final = "Either `diff --from T [--to T] [--org ID]`, or `diff --from-org ID --to-org ID [--at T]`."
Groups = list[dict[str, Any]]
Query = Callable[["AsyncConnection"], Awaitable[Groups | None]]
"""Yields one object a cadence, or None where nothing can be compared."""
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync diff --from 2026-03-01T09:00Z",
        "cadence-sync diff --from 2026-03-01T09:00Z --to 2026-04-01T09:00+02:00 --json",
        "cadence-sync diff --from-org sandbox --to-org production",
    )
)
def diff(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    from_: Annotated[str | None, typer.Option("--from", metavar="T", help="The earlier time.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="T", help="The later time; default: now.")] = None,
    org: OneOrg = None,
    from_org: Annotated[str | None, typer.Option("--from-org", help="Compare this organization …")] = None,
    to_org: Annotated[str | None, typer.Option("--to-org", help="… with this one.")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="T", help="When; default: now.")] = None,
    axis: WhichAxis = Axis.VALID,
    as_json: Json = False,
) -> None:
    """Show what differs between two times, or between two organizations."""
    now = wiring.SystemClock().now()
    if from_org or to_org:
        if from_org is None or to_org is None or from_ or to or org:
            raise ArgumentError(
                "--from-org and --to-org go together, and with no other organization or time.", hint=_WAYS
            )
        query = _between_orgs(from_org, to_org, parse_time(at or "now", "--at", now), axis)
    else:
        if from_ is None or at is not None:
            raise ArgumentError("diff needs two times, or two organizations.", hint=_WAYS)
        query = _between_times(*parse_period(from_, to or "now", now), org, axis)
    groups = run(_ask(read_settings(context), query))
    if as_json:
        print_json(groups or [])
    elif groups is None:
        show_note("Nothing can be compared.")
    else:
        sides = {"only left": f"only in {from_org}", "only right": f"only in {to_org}"}
        _print(groups, sides, several=org is None)


async def _ask(settings: Settings, query: Query) -> Groups | None:
    async with wiring.database(settings) as engine, history.snapshot(engine) as connection:
        return await query(connection)


def _between_times(from_at: datetime, to_at: datetime, org: str | None, axis: Axis) -> Query:
    async def query(connection: "AsyncConnection") -> Groups | None:
        watched = await history.history_start(connection)
        check_org(watched, org)
        asked_for = [name for name in watched if org in {None, name}]
        if len(note_unwatched(watched, org, from_at)) == len(asked_for):
            return None
        found = await as_of.compare_times(connection, from_at, to_at, axis, org)
        found.sort(key=lambda each: (each.org_id, each.name is None, each.name, each.cadence_id))
        return [_group(each) for each in found]

    return query


def _between_orgs(left: str, right: str, at: datetime, axis: Axis) -> Query:
    async def query(connection: "AsyncConnection") -> Groups | None:
        watched = await history.history_start(connection)
        for org in (left, right):
            check_org(watched, org)
        # Against an organization of which nothing is known, everything would look as if only the other had it.
        if [name for org in dict.fromkeys((left, right)) for name in note_unwatched(watched, org, at)]:
            return None
        rows = [dict(row) for row in await as_of.compare_orgs(connection, left, right, at, axis)]
        head = ("name", "difference", "left_cadence_id", "right_cadence_id")
        return _grouped(rows, head, ("field", "left_value", "right_value"))

    return query


def _group(each: as_of.Difference) -> dict[str, Any]:
    """Returns one object, with values as text."""
    return {
        "org_id": each.org_id,
        "cadence_id": each.cadence_id,
        "name": each.name,
        "kind": each.kind,
        "from_version": each.from_version,
        "to_version": each.to_version,
        "changes": [{"field": c.field, "old_value": _text(c.old), "new_value": _text(c.new)} for c in each.fields],
    }


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _grouped(rows: Sequence[Mapping[str, Any]], head: Sequence[str], change: Sequence[str]) -> Groups:
    """Returns one object a cadence, with a list of its fields; `*` stands for the cadence as a whole."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in head)
        group = groups.setdefault(key, {**{name: row[name] for name in head}, "changes": []})
        if row["field"] != "*":
            group["changes"].append({name: row[name] for name in change})
    return list(groups.values())


def _print(groups: Groups, sides: Mapping[str, str], *, several: bool) -> None:
    for group in groups:
        echo(one_line(_headline(group, sides, several=several)))
        for change in group["changes"]:
            echo(f"  {describe_field(FieldChange(*change.values()))}", hang=_HANG)
    if not groups:
        show_note("Nothing differs.")


def _headline(group: Mapping[str, Any], sides: Mapping[str, str], *, several: bool) -> str:
    if "kind" in group:
        org = f"{group['org_id']}: " if several else ""
        return f"{org}{group['name'] or '-'} ({group['cadence_id']}) {group['kind']}"
    ids = " | ".join(i for i in (group["left_cadence_id"], group["right_cadence_id"]) if i is not None)
    return f"{group['name'] or '-'} ({ids}) {sides.get(group['difference'], group['difference'])}"
