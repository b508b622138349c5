"""`org schedule`: when one organization is synced, without its credentials being asked for again."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.new_org import schedule
from cadence_sync.cli.output import one_line, print_json
from cadence_sync.config.orgs import Schedule
from cadence_sync.config.settings import Settings
from cadence_sync.errors import ArgumentError

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))


async def schedule_command(
    settings: Settings, org_id: str, given: Mapping[str, str | None], *, default: bool, as_json: bool
) -> None:
    """Change the schedule if anything is said of it, and show it."""
    from cadence_sync.db import orgs

    said = any(given.values())
    if default and said:
        raise ArgumentError("--default goes with no other time.", hint="Give one or the other.", code="BAD_SCHEDULE")
    async with wiring.database(settings) as engine:
        entry = (await orgs.load_orgs(engine, [org_id])).get(org_id)
        if entry is None or entry.removed_at is not None:
            raise orgs.no_such_org_error(org_id)
        chosen = Schedule(entry.sync_interval_seconds, entry.sync_cron, entry.time_zone)
        if default or said:
            # A zone alone is meant for the line that is there.
            line = given["cron"] or (entry.sync_cron if given["time_zone"] and not given["interval"] else None)
            chosen = schedule({**given, "cron": line}) or Schedule()
            await orgs.set_schedule(engine, org_id, chosen)
    if as_json:
        print_json({"org_id": org_id, **asdict(chosen)})
    else:
        echo(one_line(f"{org_id!r} is synced {describe_schedule(chosen)}."))


def describe_schedule(chosen: Schedule) -> str:
    """Return when that is, in the words of the options."""
    if chosen.cron is not None:
        return f"by the cron line {chosen.cron!r}" + (f" in {chosen.time_zone}" if chosen.time_zone else "")
    if chosen.seconds is None:
        return "as the settings say"
    unit, size = next(((unit, size) for unit, size in _UNITS if chosen.seconds % size == 0), ("s", 1))
    return f"every {chosen.seconds / size:g}{unit}"
