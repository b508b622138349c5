"""What people did in the web UI."""

from typing import Final

from aiohttp import web

from cadence_sync.db.audit import actions
from cadence_sync.db.queries import reading
from cadence_sync.db.queries.organization import check_known
from cadence_sync.web import params
from cadence_sync.web.app_keys import ENGINE
from cadence_sync.web.templating import page

routes = web.RouteTableDef()

SIZE: Final = 50


@routes.get("/audit")
async def audit(request: web.Request) -> web.Response:
    """Show it, newest first."""
    org, number = params.words(request, "org"), params.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        found, more = await actions(connection, number, SIZE, org)
    params.check_page(number, found)
    return await page(request, "audit.html", actions=found, more=more, number=number, size=SIZE)
