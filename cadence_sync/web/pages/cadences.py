"""The list of cadences."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from cadence_sync.db.pages import cadences as ask
from cadence_sync.db.pages import reading
from cadence_sync.db.pages.organization import check_known
from cadence_sync.web import query
from cadence_sync.web.frame import Nav, page
from cadence_sync.web.keys import ENGINE
from cadence_sync.web.sheet import send_csv

routes = web.RouteTableDef()
nav = Nav("/cadences", "Cadences")

SIZE: Final = 100
_COLUMNS: Final = tuple(name for name in ask.CadenceListRow.__slots__ if name != "version")


@routes.get("/cadences")
async def cadences(request: web.Request) -> web.Response:
    """Show a page of the list."""
    asked, number = _asked(request), query.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, asked.org)
        rows = await ask.listed(connection, asked, SIZE, (number - 1) * SIZE)
        total = await ask.counted(connection, asked)
        choices = await ask.choices(connection, asked.org)
    query.check_page(number, rows)
    return await page(
        request, "cadences.html", rows=rows, total=total, number=number, size=SIZE, choices=choices, asked=asked
    )


@routes.get("/cadences.csv")
async def cadences_csv(request: web.Request) -> web.StreamResponse:
    """Send the whole list."""
    asked = _asked(request)
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, asked.org)

    async def lines() -> AsyncIterator[list[object]]:
        async with reading(request.app[ENGINE]) as connection:
            async for row in ask.every(connection, asked):
                yield [getattr(row, name) for name in _COLUMNS]

    return await send_csv(request, "cadences", _COLUMNS, lines())


def _asked(request: web.Request) -> ask.CadenceFilter:
    state = query.one_of(request, "state", tuple(ask.CadenceState))
    return ask.CadenceFilter(
        text=query.words(request, "search") or "",
        org=query.words(request, "org") or "",
        module=query.words(request, "module") or "",
        status=query.words(request, "status") or "",
        person=query.words(request, "person") or "",
        state=ask.CadenceState(state) if state else ask.CadenceState.LIVE,
        sort=query.one_of(request, "sort", tuple(ask.SORTS)) or "name",
        descending=query.one_of(request, "order", ("asc", "desc")) == "desc",
    )
