"""The list of cadences."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from cadence_sync.db.queries import cadences as ask
from cadence_sync.db.queries import reading
from cadence_sync.db.queries.organization import check_known
from cadence_sync.web import params
from cadence_sync.web.app_keys import ENGINE
from cadence_sync.web.csv_export import send_csv
from cadence_sync.web.templating import Nav, page

routes = web.RouteTableDef()
nav = Nav("/cadences", "Cadences")

SIZE: Final = 100
_COLUMNS: Final = tuple(name for name in ask.CadenceListRow.__slots__ if name != "version")


@routes.get("/cadences")
async def cadences(request: web.Request) -> web.Response:
    """Show a page of the list."""
    asked, number = _asked(request), params.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, asked.org)
        rows = await ask.listed(connection, asked, SIZE, (number - 1) * SIZE)
        total = await ask.counted(connection, asked)
        choices = await ask.choices(connection, asked.org)
    params.check_page(number, rows)
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
    state = params.one_of(request, "state", tuple(ask.CadenceState))
    return ask.CadenceFilter(
        text=params.words(request, "search") or "",
        org=params.words(request, "org") or "",
        module=params.words(request, "module") or "",
        status=params.words(request, "status") or "",
        person=params.words(request, "person") or "",
        state=ask.CadenceState(state) if state else ask.CadenceState.LIVE,
        sort=params.one_of(request, "sort", tuple(ask.SORTS)) or "name",
        descending=params.one_of(request, "order", ("asc", "desc")) == "desc",
    )
