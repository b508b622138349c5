"""`prune`: what the daemon does once an hour, by hand."""

from dataclasses import asdict
from datetime import timedelta

from cadence_sync import wiring
from cadence_sync.cli.output import print_json, print_table, show_note
from cadence_sync.config.settings import Settings, retention_of
from cadence_sync.errors import SettingsError


async def prune_command(settings: Settings, keep: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Print how many rows went, or would go."""
    from cadence_sync.db.pruning import prune

    retention = settings.retention if keep is None else _checked(keep)
    async with wiring.database(settings) as engine:
        pruned = asdict(await prune(engine, wiring.SystemClock().now(), retention, dry_run=dry_run))
    if as_json:
        print_json(pruned | {"dry_run": dry_run})
        return
    busy = pruned.pop("busy")
    print_table("Rows that would go" if dry_run else "Rows deleted", list(pruned), [list(pruned.values())])
    if busy:
        show_note(f"{busy} organization(s) were being written and were left for the next time.")


def _checked(keep: str) -> timedelta:
    try:
        return retention_of(keep)
    except ValueError as error:
        raise SettingsError(f"--keep: {error}.", hint="Days are the usual unit: 14d.") from None
