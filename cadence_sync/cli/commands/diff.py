"""`diff`: what differs between two times of the history, or between two organizations at one time."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import echo, print_json, show_note
from cadence_sync.cli.lookup import check_org, note_unwatched, parse_period, parse_time
from cadence_sync.cli.options import Json, OneOrg, WhichAxis, examples, new_app
from cadence_sync.cli.runtime import read_settings, run
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import Axis, describe_field, one_line
from cadence_sync.core.records import FieldChange
from cadence_sync.db.engine import EngineConnection
from cadence_sync.db.queries import as_of, history
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError

_WAYS: Final = "Either `diff --from T [--to T] [--org ID]`, or `diff --from-org ID --to-org ID [--at T]`."
Groups = list[dict[str, Any]]
_TIMES_HEAD: Final = ("org_id", "cadence_id", "name", "kind", "from_version", "to_version")
_ORGS_HEAD: Final = ("name", "difference", "left_cadence_id", "right_cadence_id")
_ORGS_CHANGE: Final = ("field", "left_value", "right_value")
"""Keys of the JSON objects; a row whose field is `*` is about the cadence as a whole."""
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
    now = wiring.SystemClock().now()
    if from_org or to_org:
        if from_org is None or to_org is None or from_ or to or org:
            raise ArgumentError(
                "--from-org and --to-org go together, and with no other organization or time.", hint=_WAYS
            )
        time = parse_time(at or "now", "--at", now)
        query = partial(_compare_orgs, left=from_org, right=to_org, at=time, axis=axis)
    else:
        if from_ is None or at is not None:
            raise ArgumentError("diff needs two times, or two organizations.", hint=_WAYS)
        from_at, to_at = parse_period(from_, to or "now", now)
        query = partial(_compare_times, from_at=from_at, to_at=to_at, org=org, axis=axis)
    groups = run(_ask(read_settings(context), query))
    if as_json:
        print_json(groups or [])
    elif groups is None:
        show_note("Nothing can be compared.")
    else:
        sides = {"only left": f"only in {from_org}", "only right": f"only in {to_org}"}
        _print(groups, sides, several=org is None)


async def _ask(settings: Settings, query: Callable[[EngineConnection], Awaitable[Groups | None]]) -> Groups | None:
    async with wiring.database(settings) as engine, history.snapshot(engine) as connection:
        return await query(connection)


async def _compare_times(
    connection: EngineConnection, *, from_at: datetime, to_at: datetime, org: str | None, axis: Axis
) -> Groups | None:
    watched = await history.load_history_start(connection, OrgScope())
    check_org(watched, org)
    asked_for = [name for name in watched if org in {None, name}]
    if len(note_unwatched(watched, org, from_at)) == len(asked_for):
        return None
    await as_of.check_time(connection, to_at)
    found = await as_of.compare_times(connection, from_at, to_at, axis, OrgScope(org))
    found.sort(key=lambda each: (each.org_id, each.name is None, each.name, each.cadence_id))
    return [
        {name: getattr(each, name) for name in _TIMES_HEAD}
        | {"changes": [{"field": c.field, "old_value": _text(c.old), "new_value": _text(c.new)} for c in each.fields]}
        for each in found
    ]


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def _compare_orgs(
    connection: EngineConnection, *, left: str, right: str, at: datetime, axis: Axis
) -> Groups | None:
    watched = await history.load_history_start(connection, OrgScope())
    for org in (left, right):
        check_org(watched, org)
    # Against an organization of which nothing is known, everything would look as if only the other had it.
    if [name for org in dict.fromkeys((left, right)) for name in note_unwatched(watched, org, at)]:
        return None
    rows = await as_of.compare_orgs(connection, left, right, at, axis)
    return [
        dict(zip(_ORGS_HEAD, head, strict=True))
        | {"changes": [{name: row[name] for name in _ORGS_CHANGE} for row in group if row["field"] != "*"]}
        for head, group in groupby(rows, itemgetter(*_ORGS_HEAD))
    ]


def _print(groups: Groups, sides: Mapping[str, str], *, several: bool) -> None:
    for group in groups:
        echo(one_line(_headline(group, sides, several=several)))
        for change in group["changes"]:
            echo(f"  {describe_field(FieldChange(*change.values()))}", hang=4)
    if not groups:
        show_note("Nothing differs.")


def _headline(group: Mapping[str, Any], sides: Mapping[str, str], *, several: bool) -> str:
    if "kind" in group:
        org = f"{group['org_id']}: " if several else ""
        return f"{org}{group['name'] or '-'} ({group['cadence_id']}) {group['kind']}"
    ids = " | ".join(i for i in (group["left_cadence_id"], group["right_cadence_id"]) if i is not None)
    return f"{group['name'] or '-'} ({ids}) {sides.get(group['difference'], group['difference'])}"
