"""The time zone in which a person reads times."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from aiohttp import web

from cadence_sync.web.sessions import session_of

DEFAULT = "UTC"


@cache
def zones() -> tuple[str, ...]:
    """Return the names to choose from: UTC, and places."""
    return (DEFAULT, *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))


def zone_of(request: web.Request) -> ZoneInfo:
    """Return the zone that this browser has chosen."""
    chosen = session_of(request).get("zone", DEFAULT)
    return ZoneInfo(chosen if chosen in zones() else DEFAULT)
