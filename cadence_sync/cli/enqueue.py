"""`sync --queue`: organizations are entered in the queue, ahead of all others, for a worker to sync."""

from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.console import print_json, print_table, show_error
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.orgs.registry import enabled_orgs, load_org_config, select_orgs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from cadence_sync.cli.commands.sync import SyncArgs
    from cadence_sync.config.settings import Settings

TRIGGER: Final = "request"


async def enqueue_command(settings_of: "Callable[[], Settings]", args: "SyncArgs") -> int:
    """Ask for a sync of these organizations, or of all; returns the exit code of the gravest fault of one."""
    from cadence_sync.daemon import queue
    from cadence_sync.db.engine import translate_errors
    from cadence_sync.db.queue import check_queue, direct

    if args.dry_run or args.allow_mass_delete or args.allow_other_org:
        raise ArgumentError(
            "--queue leaves the work to a worker: no other option but --org and --json goes with it.",
            hint="Sync here, without --queue, to try something or to permit something.",
        )
    settings = settings_of()
    async with wiring.long_lived_database(settings) as (engine, url):
        with translate_errors():
            async with engine.connect() as connection:
                await check_queue(connection)
        orgs = await (select_orgs(settings, engine, args.orgs) if args.orgs else enabled_orgs(settings, engine))
        faults = {name: org for name, org in orgs.items() if isinstance(org, CadenceSyncError)}
        jobs = [
            queue.SyncJob(name, org.data_center, TRIGGER)
            for name, org in orgs.items()
            if not isinstance(org, CadenceSyncError)
        ]
        async with direct(url) as driver:
            states = await queue.enqueue_now(driver, jobs)
    _print(states, as_json=args.as_json)
    for fault in faults.values():
        show_error(fault)
    return max((fault.exit_code for fault in faults.values()), default=0)


async def enqueue_org(settings: "Settings", engine: "AsyncEngine", url: str, org_id: str) -> str:
    """Ask for a sync of one organization, as the web UI does; returns what became of it."""
    from cadence_sync.daemon import queue
    from cadence_sync.db.queue import direct

    org = await load_org_config(settings, engine, org_id)
    async with direct(url) as driver:
        return (await queue.enqueue_now(driver, [queue.SyncJob(org_id, org.data_center, TRIGGER)]))[org_id]


def _print(states: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json([{"org_id": org_id, "state": state} for org_id, state in states.items()])
    else:
        print_table("Requests", ("org_id", "state"), list(states.items()))
