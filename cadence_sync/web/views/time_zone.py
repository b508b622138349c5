"""Choosing the zone in which times are shown."""

from aiohttp import web

from cadence_sync.errors import ArgumentError
from cadence_sync.web import params
from cadence_sync.web.middleware import local
from cadence_sync.web.params import zones
from cadence_sync.web.sessions import session_of

routes = web.RouteTableDef()


@routes.post("/time-zone")
async def choose(request: web.Request) -> web.Response:
    """Remember the zone, and go back to where the choice was made."""
    given = await params.form(request)
    name = given.get("zone")
    if name not in zones():
        raise ArgumentError("There is no such time zone.", hint="Choose one from the list.")
    session_of(request)["zone"] = name
    raise web.HTTPSeeOther(local(given.get("next")))
