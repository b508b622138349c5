"""`sync --queue`: organizations are entered in the queue, ahead of all others, for a worker to sync."""

from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.output import print_json, print_table, show_error
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.roster import due_orgs, org_config, wanted_orgs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.cli.sync import Asked
    from cadence_sync.settings import Settings

TRIGGER: Final = "request"


async def request_command(settings_of: "Callable[[], Settings]", asked: "Asked") -> int:
    """Ask for a sync of these organizations, or of all; returns the exit code of the gravest fault of one."""
    from cadence_sync.db.direct import check_queue, direct
    from cadence_sync.db.engine import our_errors
    from cadence_sync.fleet import queue

    if asked.dry_run or asked.mass_delete or asked.other_org:
        raise ArgumentError(
            "--queue leaves the work to a worker: no other option but --org and --json goes with it.",
            hint="Sync here, without --queue, to try something or to permit something.",
        )
    settings = settings_of()
    async with wiring.steady_database(settings) as (engine, url):
        with our_errors():
            async with engine.connect() as connection:
                await check_queue(connection)
        orgs = await (wanted_orgs(settings, engine, asked.orgs) if asked.orgs else due_orgs(settings, engine))
        faults = {name: org for name, org in orgs.items() if isinstance(org, CadenceSyncError)}
        jobs = [
            queue.Due(name, org.data_center, TRIGGER)
            for name, org in orgs.items()
            if not isinstance(org, CadenceSyncError)
        ]
        async with direct(url) as driver:
            states = await queue.request(driver, jobs)
    _print(states, as_json=asked.as_json)
    for fault in faults.values():
        show_error(fault)
    return max((fault.exit_code for fault in faults.values()), default=0)


async def ask_for(settings: "Settings", engine: "AsyncEngine", url: str, org_id: str) -> str:
    """Ask for a sync of one organization, as the web UI does; returns what became of it."""
    from cadence_sync.db.direct import direct
    from cadence_sync.fleet import queue

    org = await org_config(settings, engine, org_id)
    async with direct(url) as driver:
        return (await queue.request(driver, [queue.Due(org_id, org.data_center, TRIGGER)]))[org_id]


def _print(states: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json([{"org_id": org_id, "state": state} for org_id, state in states.items()])
    else:
        print_table("Requests", ("org_id", "state"), list(states.items()))
