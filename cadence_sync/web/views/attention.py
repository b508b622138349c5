"""Everything that wants a person, with a way to what cures it."""

from typing import Final

from aiohttp import web

from cadence_sync.db.queries import attention as ask
from cadence_sync.db.queries import reading
from cadence_sync.db.queries.organization import check_known
from cadence_sync.web import params
from cadence_sync.web.app_keys import CLOCK, ENGINE, INTERVAL, SCHEDULES
from cadence_sync.web.templating import Nav, page

routes = web.RouteTableDef()
nav = Nav("/attention", "Attention")

SIZE: Final = 50


@routes.get("/attention")
async def attention(request: web.Request) -> web.Response:
    """Show it, the gravest first."""
    org, kind = params.words(request, "org"), params.one_of(request, "kind", ask.KINDS)
    number = params.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        looked = await ask.attention(connection, look(request), org, kind, number, SIZE)
    params.check_page(number, looked.items)
    return await page(
        request,
        "attention.html",
        looked=looked,
        total=looked.total(kind),
        number=number,
        size=SIZE,
        kinds=ask.KINDS,
    )


def look(request: web.Request) -> ask.AttentionQuery:
    """Return when it is, and how often each organization is to be synced."""
    app = request.app
    return ask.AttentionQuery(app[CLOCK].now(), app[INTERVAL], app[SCHEDULES]())
