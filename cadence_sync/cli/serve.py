"""`serve`: the daemon: a scheduler that syncs every organisation, and a health endpoint."""

from cadence_sync import wiring
from cadence_sync.errors import SettingsError
from cadence_sync.fleet.schedule import Schedule, run_schedule
from cadence_sync.logs import log
from cadence_sync.orgs import OrgConfig, configured_orgs
from cadence_sync.settings import Settings
from cadence_sync.urls import is_loopback
from cadence_sync.web.health import serving


async def serve_command(settings: Settings) -> None:
    """Sync on schedule until cancelled."""
    from cadence_sync.db.engine import our_errors
    from cadence_sync.db.migrate import check_migrated

    if settings.web_token is None and not is_loopback(settings.web_host):
        raise SettingsError(
            f"Serving on {settings.web_host} needs CADENCE_SYNC_WEB_TOKEN.",
            hint="Set one, or keep the default host 127.0.0.1.",
        )
    orgs: dict[str, OrgConfig] = {}
    for name, org in configured_orgs(settings).items():
        if isinstance(org, SettingsError):
            log.error("organisation_left_out", org_id=name, error=org.message, hint=org.hint)
        else:
            orgs[name] = org
    async with wiring.database(settings) as engine:
        with our_errors():
            async with engine.connect() as connection:
                await check_migrated(connection)

        async def sync_org(org_id: str) -> None:
            async with wiring.sync(settings, engine, orgs[org_id]) as sync:
                report = await sync.run("schedule")
            fields = {name: value for name, value in report.to_json().items() if value}
            (log.warning if report.error else log.info)("sync_finished", **fields)

        schedule = Schedule(settings.interval_seconds, settings.sync_cron)
        async with serving(settings.web_host, settings.web_port):
            log.info("serving", organisations=len(orgs), host=settings.web_host, port=settings.web_port)
            await run_schedule(schedule, list(orgs), sync_org, wiring.SystemClock())
