"""Looks regularly for organizations that were not read for too long, and for episodes that are over."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from cadence_sync.alerts.dispatcher import log_and_continue
from cadence_sync.alerts.routing import IsStale
from cadence_sync.ports import Clock

EVERY: Final = 30.0
"""Seconds between two checks."""


async def watch(
    enter_staleness: Callable[[datetime, IsStale], Awaitable[None]],
    clock: Clock,
    staleness: Callable[[], IsStale | None],
) -> None:
    """Checks until canceled; without a predicate another process checks."""
    while True:
        async with log_and_continue():
            is_stale = staleness()
            if is_stale is not None:
                await enter_staleness(clock.now(), is_stale)
        await asyncio.sleep(EVERY)
