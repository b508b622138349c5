"""Keys under which the handlers find what their application holds."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import web

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.ports import Clock
from cadence_sync.web.access import Access, Limits

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

RequestSync = Callable[[str], Awaitable[str]]
"""Requests a sync of an organization; returns `entered`, `moved ahead`, `running` or `done`."""

Schedules = Callable[[], Mapping[str, float]]
"""Returns the seconds between two syncs of each organization, as far as this process's scheduler knows them."""

ENGINE: "Final[web.AppKey[AsyncEngine]]" = web.AppKey("engine")
CLOCK: Final = web.AppKey[Clock]("clock")
ACCESS: Final = web.AppKey("access", Access)
LIMITS: Final = web.AppKey("limits", Limits)
REQUEST_SYNC: Final = web.AppKey[RequestSync]("request_sync")
ALERTING: Final = web.AppKey("alerting", AlertRouting)
INTERVAL: Final = web.AppKey("interval", float)
"""Seconds between two syncs of an organization without a schedule of its own."""
SCHEDULES: Final = web.AppKey[Schedules]("schedules")
USER: Final = web.RequestKey("user", str)
"""The user's name, as the audit log has it."""
