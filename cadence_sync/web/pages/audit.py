"""What people did in the web UI."""

from typing import Final

from aiohttp import web

from cadence_sync.db.audit import actions
from cadence_sync.db.pages import reading
from cadence_sync.db.pages.organization import check_known
from cadence_sync.web import query
from cadence_sync.web.frame import page
from cadence_sync.web.keys import ENGINE

routes = web.RouteTableDef()

SIZE: Final = 50


@routes.get("/audit")
async def audit(request: web.Request) -> web.Response:
    """Show it, newest first."""
    org, number = query.words(request, "org"), query.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        found, more = await actions(connection, number, SIZE, org)
    query.check_page(number, found)
    return await page(request, "audit.html", actions=found, more=more, number=number, size=SIZE)
