"""Runs: all of them, and the story of one."""

from typing import Final

from aiohttp import web

from cadence_sync.db.audit import actions
from cadence_sync.db.queries import reading
from cadence_sync.db.queries import runs as ask
from cadence_sync.db.queries.organization import check_known
from cadence_sync.errors import NotFoundError
from cadence_sync.web import params
from cadence_sync.web.app_keys import ENGINE
from cadence_sync.web.templating import Nav, page

routes = web.RouteTableDef()
nav = Nav("/runs", "Runs")

SIZE: Final = 50
OUTCOMES: Final = ("succeeded", "partial", "held", "failed", "changed", "running")


@routes.get("/runs")
async def runs(request: web.Request) -> web.Response:
    """Show the ledger, newest first."""
    org, number = params.words(request, "org"), params.number(request, "page")
    outcome = params.one_of(request, "outcome", OUTCOMES)
    async with reading(request.app[ENGINE]) as connection:
        await check_known(connection, org)
        found, more = await ask.runs(connection, org, outcome, number, SIZE)
    params.check_page(number, found)
    return await page(request, "runs.html", runs=found, more=more, number=number, size=SIZE, outcomes=OUTCOMES)


@routes.get(r"/runs/{run_id:[0-9]{1,18}}")
async def run(request: web.Request) -> web.Response:
    """Show what one run saw, changed, held and could not read."""
    number = params.number(request, "page")
    async with reading(request.app[ENGINE]) as connection:
        found = await ask.find_run(connection, int(request.match_info["run_id"]), params.words(request, "org"))
        if found is None:
            raise NotFoundError(
                "There is no such run.", hint="Old runs that changed nothing are pruned; their days are still counted."
            )
        story = await ask.load_detail(connection, found, number)
        done, _ = await actions(connection, 1, SIZE, found.org_id, found.run_id)
    params.check_page(number, story.edits)
    return await page(request, "run.html", story=story, run=found, actions=done, number=number, size=ask.EDITS)
