"""`sync --queue`: organizations are enqueued, ahead of all others, for a worker to sync."""

from typing import TYPE_CHECKING

from cadence_sync import wiring
from cadence_sync.cli.output import print_json, print_table, show_error
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.orgs.registry import enabled_orgs, select_orgs

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadence_sync.cli.sync import SyncArgs
    from cadence_sync.config.settings import Settings


async def enqueue_command(settings_of: "Callable[[], Settings]", args: "SyncArgs") -> int:
    """Ask for a sync of these organizations, or of all; returns the exit code of the gravest fault of one."""
    from cadence_sync.daemon.queue import request_syncs
    from cadence_sync.db.engine import translate_errors
    from cadence_sync.db.queue import check_queue

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
        states = await request_syncs(url, [org for org in orgs.values() if not isinstance(org, CadenceSyncError)])
    _print(states, as_json=args.as_json)
    faults = [org for org in orgs.values() if isinstance(org, CadenceSyncError)]
    for fault in faults:
        show_error(fault)
    return max((fault.exit_code for fault in faults), default=0)


def _print(states: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json([{"org_id": org_id, "state": state} for org_id, state in states.items()])
    else:
        print_table("Requests", ("org_id", "state"), list(states.items()))
