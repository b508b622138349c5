"""Runs: all of them, and the story of one."""

from typing import Final

from aiohttp import web

from cadence_sync.db.audit import actions
from cadence_sync.db.pages import reading
from cadence_sync.db.pages import runs as ask
from cadence_sync.db.pages.organization import check_known
from cadence_sync.errors import NotFoundError
from cadence_sync.web import query
from cadence_sync.web.frame import Nav, page
from cadence_sync.web.keys import ENGINE

routes = web.RouteTableDef()
nav = Nav("/runs", "Runs")

SIZE: Final = 50
OUTCOMES: Final = ("succeeded", "partial", "held", "failed", "changed", "running")


@routes.get("/runs")
async def runs(request: web.Request) -> web.Response:
    """Show the ledger, newest first."""
    org, number = query.words(request, "org"), query.number(request, "page")
    outcome = query.one_of(request, "outcome", OUTCOMES)
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        found, more = await ask.runs(connection, org, outcome, number, SIZE)
    query.check_page(number, found)
    return await page(request, "runs.html", runs=found, more=more, number=number, size=SIZE, outcomes=OUTCOMES)


@routes.get(r"/runs/{run_id:[0-9]{1,18}}")
async def run(request: web.Request) -> web.Response:
    """Show what one run saw, changed, held and could not read."""
    number = query.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        found = await ask.find_run(connection, int(request.match_info["run_id"]), query.words(request, "org"))
        if found is None:
            raise NotFoundError(
                "There is no such run.", hint="Old runs that changed nothing are pruned; their days are still counted."
            )
        story = await ask.load_detail(connection, found, number)
        done, _ = await actions(connection, 1, SIZE, found.org_id, found.run_id)
    query.check_page(number, story.edits)
    return await page(request, "run.html", story=story, run=found, actions=done, number=number, size=ask.EDITS)
