"""Looks now and then for organizations that nobody has read for long, and for what is well again."""

import asyncio
from typing import TYPE_CHECKING, Final

from cadence_sync.alerts.dispatcher import log_and_continue
from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.db import alert_outbox
from cadence_sync.ports import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

EVERY: Final = 30.0
"""Seconds between two looks."""


async def watch(
    engine: "AsyncEngine",
    alerting: AlertRouting,
    clock: Clock,
    staleness: "Callable[[], alert_outbox.IsStale | None]",
) -> None:
    """Look until canceled; where nothing says what is stale, another process looks."""
    while True:
        async with log_and_continue():
            is_stale = staleness()
            if is_stale is not None:
                await alert_outbox.enter_staleness(engine, alerting, clock.now(), is_stale)
        await asyncio.sleep(EVERY)
