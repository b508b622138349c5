"""What the handlers find in their application."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import web

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.ports import Clock
from cadence_sync.web.access import Access
from cadence_sync.web.limits import Limits

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

RequestSync = Callable[[str], Awaitable[str]]
"""Asks for a sync of an organization, and says what came of it: `entered`, `moved ahead` or `running`."""

Schedules = Callable[[], Mapping[str, float]]
"""The seconds between two syncs of each organization, as far as the scheduler of this process knows."""

ENGINE: "Final[web.AppKey[AsyncEngine]]" = web.AppKey("engine")
CLOCK: Final = web.AppKey[Clock]("clock")
ACCESS: Final = web.AppKey("access", Access)
LIMITS: Final = web.AppKey("limits", Limits)
REQUEST_SYNC: Final = web.AppKey[RequestSync]("ask")
ALERTING: Final = web.AppKey("alerting", AlertRouting)
"""Who is told of decisions."""
INTERVAL: Final = web.AppKey("interval", float)
"""Seconds between two syncs of an organization without a schedule of its own."""
SCHEDULES: Final = web.AppKey[Schedules]("schedules")
USER: Final = web.RequestKey("user", str)
"""Who asks, as the audit writes it."""
