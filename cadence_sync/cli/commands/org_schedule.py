"""`org schedule`: when one organization is synced, without its credentials."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final

import typer

from cadence_sync.cli.console import echo, print_json
from cadence_sync.cli.new_org import parse_schedule
from cadence_sync.cli.options import Cron, Interval, Json, OrgId, TimeZone, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, with_database
from cadence_sync.config.orgs import Schedule
from cadence_sync.core.labels import one_line
from cadence_sync.db import orgs
from cadence_sync.db.engine import Engine
from cadence_sync.errors import ArgumentError

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync org schedule acme --interval 5m",
        "cadence-sync org schedule acme --cron '0 9 * * 1-5' --time-zone Europe/Paris",
        "cadence-sync org schedule acme --default",
    )
)
def schedule(
    context: typer.Context,
    org_id: OrgId,
    *,
    interval: Interval = None,
    cron: Cron = None,
    time_zone: TimeZone = None,
    default: Annotated[bool, typer.Option("--default", help="As the settings say, for all that have none.")] = False,
    as_json: Json = False,
) -> None:
    settings = read_settings(context)
    given = {"interval": interval, "cron": cron, "time_zone": time_zone}
    if default and any(given.values()):
        raise ArgumentError("--default goes with no other time.", hint="Give one or the other.", code="BAD_SCHEDULE")
    chosen = with_database(settings, lambda engine: _schedule(engine, org_id, given, default=default))
    if as_json:
        print_json({"org_id": org_id, **asdict(chosen)})
    else:
        echo(one_line(f"{org_id!r} is synced {describe_schedule(chosen)}."))


async def _schedule(engine: Engine, org_id: str, given: Mapping[str, str | None], *, default: bool) -> Schedule:
    stored = (await orgs.load_orgs(engine, [org_id])).get(org_id)
    if stored is None or stored.removed_at is not None:
        raise orgs.no_such_org_error(org_id)
    if not (default or any(given.values())):
        return Schedule(stored.sync_interval_seconds, stored.sync_cron, stored.time_zone)
    # A zone alone is meant for the stored cron line.
    line = given["cron"] or (stored.sync_cron if given["time_zone"] and not given["interval"] else None)
    chosen = parse_schedule({**given, "cron": line}) or Schedule()
    await orgs.set_schedule(engine, org_id, chosen, current_actor())
    return chosen


def describe_schedule(chosen: Schedule) -> str:
    if chosen.cron is not None:
        return f"by the cron line {chosen.cron!r}" + (f" in {chosen.time_zone}" if chosen.time_zone else "")
    if chosen.seconds is None:
        return "as the settings say"
    unit, size = next(((unit, size) for unit, size in _UNITS if chosen.seconds % size == 0), ("s", 1))
    return f"every {chosen.seconds / size:g}{unit}"
