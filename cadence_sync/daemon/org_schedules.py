"""Which organizations are to be synced and how often: what the settings name, and what the database holds."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from cadence_sync.config.settings import Settings
from cadence_sync.daemon.cron import cron_trigger as crontab
from cadence_sync.daemon.schedule import OrgSchedule
from cadence_sync.db.scheduled_orgs import ScheduledOrg
from cadence_sync.errors import SettingsError
from cadence_sync.logs import log
from cadence_sync.orgs.config import OrgConfig


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
    """Refuse a cron line or a time zone of the settings that is nonsense."""
    try:
        cron_trigger(settings.sync_cron or "* * * * *", settings.sync_time_zone)
    except SettingsError as error:
        name = "SYNC_TIME_ZONE" if settings.sync_cron is None else "SYNC_CRON"
        raise SettingsError(f"CADENCE_SYNC_{name}: {error.message}", hint=error.hint) from error


def _pass_over(_org_id: str, _error: SettingsError) -> None:
    """Say nothing of it: somebody else does."""


class OncePerMessageLogger:
    """Logs what is wrong with the schedule of an organization, once for as long as it is the same."""

    def __init__(self) -> None:
        self._logged: dict[str, str] = {}

    def log_once(self, org_id: str, error: SettingsError) -> None:
        """Log it unless it was told."""
        if self._logged.get(org_id) != error.message:
            self._logged[org_id] = error.message
            log.error("org_not_scheduled", org_id=org_id, error=error.message, hint=error.hint)


def _is_mine(row: ScheduledOrg, configured: Mapping[str, OrgConfig]) -> bool:
    """Whether its credentials are there; one that was removed is back once the settings name it."""
    return row.org_id in configured or (bool(row.credentials_version) and not row.removed)


def org_schedules(
    settings: Settings,
    configured: Mapping[str, OrgConfig],
    registered: Iterable[ScheduledOrg],
    on_fault: Callable[[str, SettingsError], None] = _pass_over,
) -> dict[str, OrgSchedule]:
    """Return the schedule of every organization that can be reached and is not paused; the faulty are left out."""
    known = {row.org_id: row for row in registered}
    fresh = [
        ScheduledOrg(org_id, org.data_center, True, False, None, None, None, 0, None, "")  # noqa: FBT003 - a row
        for org_id, org in configured.items()
        if org_id not in known
    ]
    reachable = [row for row in known.values() if row.enabled and _is_mine(row, configured)]
    found: dict[str, OrgSchedule] = {}
    for row in (*reachable, *fresh):
        try:
            found[row.org_id] = org_schedule(settings, row)
        except SettingsError as error:
            on_fault(row.org_id, error)
    return found


def org_schedule(settings: Settings, row: ScheduledOrg) -> OrgSchedule:
    """Return the schedule of one organization; raises `SettingsError` for a cron line that is nonsense."""
    own = row.seconds is not None or row.cron is not None
    line = row.cron if own else settings.sync_cron
    cron = None if line is None else cron_trigger(line, row.time_zone or settings.sync_time_zone)
    seconds = row.seconds if row.seconds is not None else settings.interval_seconds
    return OrgSchedule(
        row.org_id, row.data_center, row.credentials_version, seconds, cron, row.consecutive_failures, row.last_run_at
    )


def staleness(schedules: Mapping[str, OrgSchedule], least: timedelta, now: datetime) -> Callable[[str, datetime], bool]:
    """Return what says of an organization, by when it was last read, whether that is worth a message."""

    def is_stale(org_id: str, last: datetime) -> bool:
        return org_id in schedules and schedules[org_id].is_stale(last, now, least)

    return is_stale


def intervals(schedules: Mapping[str, OrgSchedule], now: datetime) -> dict[str, float]:
    """Return how many seconds may lie between two runs of each organization."""
    return {name: schedule.max_interval(now) for name, schedule in schedules.items()}
