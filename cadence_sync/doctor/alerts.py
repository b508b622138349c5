"""What `doctor` looks at of alerts: whether the addresses of the channels can work. Nothing is sent."""

import asyncio

from cadence_sync import wiring
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import plural
from cadence_sync.doctor.checks import Check, passed, run_check


async def alert_checks(settings: Settings, *, debug: bool) -> list[Check]:
    """Look at the channels, where there are any."""
    if not settings.alert_channels:
        return []
    from cadence_sync.alerts.channels import open_channels

    clock = wiring.SystemClock()
    senders = await run_check("alerts", lambda: asyncio.to_thread(open_channels, settings, clock), debug=debug)
    if isinstance(senders, Check):
        return [senders]
    return [passed("alerts", f"{plural(len(senders), 'channel')}; `cadence-sync alerts test` sends to each")]
