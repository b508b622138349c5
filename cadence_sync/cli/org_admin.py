"""`org list`, `remove`, `pause` and `resume`."""

from typing import TYPE_CHECKING, Any, Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.output import one_line, print_json, print_table
from cadence_sync.config.orgs import in_settings_error, load_or_error, named_orgs
from cadence_sync.config.settings import Settings

if TYPE_CHECKING:
    from cadence_sync.db.orgs import OrgRow

_COLUMNS: Final = (
    "org_id", "data_center", "credentials", "enabled", "sync_interval_seconds", "sync_cron", "time_zone",
    "consecutive_failures", "last_run_at", "removed_at",
)  # fmt: skip


async def list_command(settings: Settings, *, every: bool, as_json: bool) -> None:
    """Show one line an organization; secrets are not even decrypted."""
    from cadence_sync.db import orgs

    async with wiring.database(settings) as engine:
        entries = await orgs.load_orgs(engine)
    own = named_orgs(settings)
    rows = [_row(settings, org_id, entries.get(org_id), org_id in own) for org_id in sorted({*own, *entries})]
    shown = [row for row in rows if every or row["removed_at"] is None or row["credentials"] == "settings"]
    if as_json:
        print_json(shown)
    else:
        print_table("Organizations (times in UTC)", _COLUMNS, [[row[name] for name in _COLUMNS] for row in shown])


async def remove_command(settings: Settings, org_id: str, *, as_json: bool) -> None:
    """Remove an organization and say what stays."""
    from cadence_sync.db import orgs

    _check_stored(settings, org_id)
    async with wiring.database(settings) as engine:
        await orgs.remove_org(engine, org_id)
    if as_json:
        print_json({"org_id": org_id, "purged": None})
        return
    echo(one_line(f"{org_id!r} is synced no more and its credentials are deleted; its history stays."))


async def purge_command(settings: Settings, org_id: str, *, as_json: bool) -> None:
    """Delete all that is stored of an organization and say how many rows that was."""
    from cadence_sync.db.orgs import purge

    _check_stored(settings, org_id)
    async with wiring.database(settings) as engine:
        counts = await purge(engine, org_id)
    if as_json:
        print_json({"org_id": org_id, "purged": counts})
        return
    print_table("Rows deleted", ("table", "rows"), [(name, count) for name, count in counts.items() if count])
    echo(one_line(f"Nothing is left of {org_id!r} here; backups and exports have it still."))


async def enable_command(settings: Settings, org_id: str, *, enabled: bool, as_json: bool) -> None:
    """Pause an organization or resume it."""
    from cadence_sync.db import orgs

    async with wiring.database(settings) as engine:
        await orgs.set_enabled(engine, org_id, enabled=enabled)
    if as_json:
        print_json({"org_id": org_id, "enabled": enabled})
        return
    echo(one_line(f"{org_id!r} is {'synced again' if enabled else 'paused'}."))


def _check_stored(settings: Settings, org_id: str) -> None:
    """Refuse what would come back at the next sync: the settings would name it still."""
    if org_id in named_orgs(settings):
        raise in_settings_error(org_id)


def _row(settings: Settings, org_id: str, entry: "OrgRow | None", own: bool) -> dict[str, Any]:
    config = load_or_error(settings, org_id) if own else None
    data_center = getattr(config, "data_center", None) or (entry and entry.data_center)
    place = "settings" if own else "database" if entry is not None and entry.is_stored else None
    columns = ("enabled", *_COLUMNS[4:])
    stored = {name: getattr(entry, name) for name in columns} if entry else dict.fromkeys(columns) | {"enabled": True}
    return {"org_id": org_id, "data_center": data_center, "credentials": place} | stored
