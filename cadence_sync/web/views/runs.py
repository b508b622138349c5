"""Runs: all of them, and the details of one."""

from typing import Final

from aiohttp import web

from cadence_sync.db.audit import list_actions
from cadence_sync.db.queries import runs
from cadence_sync.errors import NotFoundError
from cadence_sync.web import params
from cadence_sync.web.params import reading
from cadence_sync.web.templating import Nav, page

routes = web.RouteTableDef()
nav = Nav("/runs", "Runs")

SIZE: Final = 50
OUTCOMES: Final = ("succeeded", "partial", "held", "failed", "changed", "running")


@routes.get("/runs")
async def list_runs(request: web.Request) -> web.Response:
    org, number = params.words(request, "org"), params.number(request, "page")
    outcome = params.one_of(request, "outcome", OUTCOMES)
    async with reading(request, org) as connection:
        found, more = await runs.list_runs(connection, org, outcome, number, SIZE)
    params.check_page(number, found)
    return await page(request, "runs.html", runs=found, more=more, number=number, size=SIZE, outcomes=OUTCOMES)


@routes.get(r"/runs/{run_id:[0-9]{1,18}}")
async def show_run(request: web.Request) -> web.Response:
    number = params.number(request, "page")
    async with reading(request) as connection:
        run = await runs.find_run(connection, int(request.match_info["run_id"]), params.words(request, "org"))
        if run is None:
            raise NotFoundError(
                "There is no such run.", hint="Old runs that changed nothing are pruned; their days are still counted."
            )
        story = await runs.load_detail(connection, run, number)
        actions, _ = await list_actions(connection, 1, SIZE, run.org_id, run.run_id)
    params.check_page(number, story.edits)
    return await page(request, "run.html", story=story, run=run, actions=actions, number=number, size=runs.EDITS)
