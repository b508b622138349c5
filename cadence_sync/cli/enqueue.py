"""`sync --queue`: organizations are enqueued, ahead of all others, for a worker to sync."""

from collections.abc import Callable, Sequence

from cadence_sync import wiring
from cadence_sync.cli.console import print_json, print_table, show_error
from cadence_sync.config.settings import Settings
from cadence_sync.daemon.queue import request_syncs
from cadence_sync.db.engine import translate_errors
from cadence_sync.db.queue import check_queue
from cadence_sync.errors import CadenceSyncError
from cadence_sync.orgs.registry import enabled_orgs, select_orgs


async def enqueue_orgs(settings_of: Callable[[], Settings], org_ids: Sequence[str], *, as_json: bool) -> int:
    """Requests a sync of these organizations, or of all; returns the exit code of the most severe error."""
    settings = settings_of()
    async with wiring.long_lived_database(settings) as (engine, url):
        with translate_errors():
            async with engine.connect() as connection:
                await check_queue(connection)
        orgs = await (select_orgs(settings, engine, org_ids) if org_ids else enabled_orgs(settings, engine))
        states = await request_syncs(url, [org for org in orgs.values() if not isinstance(org, CadenceSyncError)])
    if as_json:
        print_json([{"org_id": org_id, "state": state} for org_id, state in states.items()])
    else:
        print_table("Requests", ("org_id", "state"), list(states.items()))
    errors = [org for org in orgs.values() if isinstance(org, CadenceSyncError)]
    for error in errors:
        show_error(error)
    return max((error.exit_code for error in errors), default=0)
