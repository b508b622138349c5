"""Which organisations are to be synced and how often: what the settings name, and what the database holds."""

from collections.abc import Iterable, Mapping

from apscheduler.triggers.cron import CronTrigger

from cadence_sync.db.registry import Registered
from cadence_sync.errors import SettingsError
from cadence_sync.fleet.cron import cron_trigger as crontab
from cadence_sync.fleet.rhythm import Rhythm
from cadence_sync.logs import log
from cadence_sync.orgs import OrgConfig
from cadence_sync.settings import Settings


def cron_trigger(line: str, zone: str) -> CronTrigger:
    """Return a cron line in a time zone; raises `SettingsError` for nonsense."""
    try:
        return crontab(line, zone)
    except ValueError as error:
        raise SettingsError(
            f"The cron line {line!r} in the time zone {zone!r} cannot work: {error}.",
            hint="Five fields, such as '*/15 6-20 * * 1-5', and a zone such as Europe/Berlin.",
        ) from error


def check_default(settings: Settings) -> None:
    """Refuse a cron line of the settings that is nonsense."""
    if settings.sync_cron is not None:
        try:
            cron_trigger(settings.sync_cron, settings.sync_time_zone)
        except SettingsError as error:
            raise SettingsError(f"CADENCE_SYNC_SYNC_CRON: {error.message}", hint=error.hint) from error


def rhythms(
    settings: Settings, configured: Mapping[str, OrgConfig], registered: Iterable[Registered]
) -> dict[str, Rhythm]:
    """Return the rhythm of every organisation that can be reached and is not paused."""
    known = {row.org_id: row for row in registered}
    fresh = [
        Registered(org_id, org.data_center, True, None, None, None, 0, None, "")  # noqa: FBT003 - a row
        for org_id, org in configured.items()
        if org_id not in known
    ]
    reachable = [row for row in known.values() if row.enabled and (row.edition or row.org_id in configured)]
    found: dict[str, Rhythm] = {}
    for row in (*reachable, *fresh):
        try:
            found[row.org_id] = _rhythm(settings, row)
        except SettingsError as error:
            log.error("not_scheduled", org_id=row.org_id, error=error.message, hint=error.hint)
    return found


def _rhythm(settings: Settings, row: Registered) -> Rhythm:
    own = row.seconds is not None or row.cron is not None
    line = row.cron if own else settings.sync_cron
    cron = None if line is None else cron_trigger(line, row.time_zone or settings.sync_time_zone)
    seconds = row.seconds if row.seconds is not None else settings.interval_seconds
    return Rhythm(row.org_id, row.data_center, row.edition, seconds, cron, row.failures, row.last_run_at)
