"""`diff`: what differs between two times of the history, or between two organizations at one time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.history_start import check_org, unwatched
from cadence_sync.cli.options import AxisOption
from cadence_sync.cli.output import one_line, print_json, show_note
from cadence_sync.cli.time_args import moment, period
from cadence_sync.cli.version_text import describe_field
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import Axis
from cadence_sync.core.records import FieldChange
from cadence_sync.errors import ArgumentError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from cadence_sync.db.queries.as_of import Difference

_HANG: Final = 4
_WAYS: Final = "Either `diff --from T [--to T] [--org ID]`, or `diff --from-org ID --to-org ID [--at T]`."
Groups = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DiffArgs:
    """The options of `diff`."""

    from_: str | None
    to: str | None
    org: str | None
    from_org: str | None
    to_org: str | None
    at: str | None
    axis: AxisOption
    as_json: bool


async def diff_command(settings: Callable[[], Settings], args: DiffArgs) -> None:
    """Show what differs; nothing to show is an answer too."""
    from cadence_sync.db.queries import history

    now = wiring.SystemClock().now()
    work = _between_orgs(args, now) if args.from_org or args.to_org else _between_times(args, now)
    async with wiring.database(settings()) as engine, history.snapshot(engine) as connection:
        groups = await work(connection)
    if args.as_json:
        print_json(groups or [])
        return
    if groups is None:
        show_note("Nothing can be compared.")
        return
    for group in groups:
        echo(one_line(_headline(group, args)))
        for change in group["changes"]:
            echo(f"  {describe_field(FieldChange(*change.values()))}", hang=_HANG)
    if not groups:
        show_note("Nothing differs.")


def _between_times(args: DiffArgs, now: datetime) -> "Callable[[AsyncConnection], Any]":
    if args.from_ is None or args.at is not None:
        raise ArgumentError("diff needs two times, or two organizations.", hint=_WAYS)
    from_at, to_at = period(args.from_, args.to or "now", now)

    async def work(connection: "AsyncConnection") -> Groups | None:
        from cadence_sync.db.queries import as_of, history

        watched = await history.history_start(connection)
        check_org(watched, args.org)
        asked_for = [name for name in watched if args.org in {None, name}]
        if len(unwatched(watched, args.org, from_at)) == len(asked_for):
            return None
        found = await as_of.compare_times(connection, from_at, to_at, Axis(args.axis), args.org)
        found.sort(key=lambda each: (each.org_id, each.name is None, each.name, each.cadence_id))
        return [_group(each) for each in found]

    return work


def _between_orgs(args: DiffArgs, now: datetime) -> "Callable[[AsyncConnection], Any]":
    left, right = args.from_org, args.to_org
    if left is None or right is None or args.from_ or args.to or args.org:
        raise ArgumentError("--from-org and --to-org go together, and with no other organization or time.", hint=_WAYS)
    at = moment(args.at or "now", "--at", now)

    async def work(connection: "AsyncConnection") -> Groups | None:
        from cadence_sync.db.queries import as_of, history

        watched = await history.history_start(connection)
        for org in (left, right):
            check_org(watched, org)
        # Against an organization of which nothing is known, everything would look as if only the other had it.
        if [name for org in dict.fromkeys((left, right)) for name in unwatched(watched, org, at)]:
            return None
        rows = [dict(row) for row in await as_of.compare_orgs(connection, left, right, at, Axis(args.axis))]
        head = ("name", "difference", "left_cadence_id", "right_cadence_id")
        return _grouped(rows, head, ("field", "left_value", "right_value"))

    return work


def _group(each: "Difference") -> dict[str, Any]:
    """Return one object, with values as text."""
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
    """Return one object a cadence, with a list of its fields; `*` stands for the cadence as a whole."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in head)
        group = groups.setdefault(key, {**{name: row[name] for name in head}, "changes": []})
        if row["field"] != "*":
            group["changes"].append({name: row[name] for name in change})
    return list(groups.values())


def _headline(group: Mapping[str, Any], args: DiffArgs) -> str:
    if "kind" in group:
        org = "" if args.org else f"{group['org_id']}: "
        return f"{org}{group['name'] or '-'} ({group['cadence_id']}) {group['kind']}"
    ids = " | ".join(i for i in (group["left_cadence_id"], group["right_cadence_id"]) if i is not None)
    sides = {"only left": f"only in {args.from_org}", "only right": f"only in {args.to_org}"}
    return f"{group['name'] or '-'} ({ids}) {sides.get(group['difference'], group['difference'])}"
