"""Runs, the review of held deletions, and the audit log."""

from typing import Final

from aiohttp import web

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.labels import plural
from cadence_sync.db import deletion_reviews
from cadence_sync.db.audit import enter_alone, list_actions
from cadence_sync.db.deletion_reviews import Decision
from cadence_sync.db.queries import runs
from cadence_sync.errors import NotFoundError
from cadence_sync.web import params
from cadence_sync.web.access import actor_of
from cadence_sync.web.templating import flash, page

routes = web.RouteTableDef()

ALERTING: Final = web.AppKey("alerting", AlertRouting)

SIZE: Final = 50
OUTCOMES: Final = ("succeeded", "partial", "held", "failed", "changed", "running")
_DECISIONS: Final[dict[str, Decision]] = {"approve": "approved", "reject": "rejected"}
_THEN: Final = {
    "approved": "The next sync deletes those that are still missing.",
    "rejected": "They stay live and are shown as missing.",
}


@routes.get("/runs")
async def list_runs(request: web.Request) -> web.Response:
    scope, number = params.scope_of(request, params.words(request, "org")), params.number(request, "page")
    outcome = params.one_of(request, "outcome", OUTCOMES)
    async with params.reading(request, scope) as connection:
        found, more = await runs.list_runs(connection, scope, outcome, number, SIZE)
    params.check_page(number, found)
    return await page(request, "runs.html", runs=found, more=more, number=number, size=SIZE, outcomes=OUTCOMES)


@routes.get(r"/runs/{run_id:[0-9]{1,18}}")
async def show_run(request: web.Request) -> web.Response:
    number, scope = params.number(request, "page"), params.scope_of(request, params.words(request, "org"))
    async with params.reading(request, scope.whole) as connection:
        run = await runs.find_run(connection, int(request.match_info["run_id"]), scope)
        if run is None:
            raise NotFoundError(
                "There is no such run.", hint="Old runs that changed nothing are pruned; their days are still counted."
            )
        story = await runs.load_detail(connection, run, number)
        actions, _ = await list_actions(connection, params.scope_of(request, run.org_id), 1, SIZE, run.run_id)
    params.check_page(number, story.edits)
    return await page(request, "run.html", story=story, run=run, actions=actions, number=number, size=runs.EDITS)


@routes.post(r"/runs/{run_id:[0-9]{1,18}}/{action:approve|reject}")
async def review_deletions(request: web.Request) -> web.Response:
    engine, by, run_id = request.app[params.ENGINE], actor_of(request), int(request.match_info["run_id"])
    action, scope = request.match_info["action"], params.scope_of(request)
    async with params.reading(request, scope) as connection:
        run = await runs.find_run(connection, run_id, scope)
    if run is None:
        raise NotFoundError("There is no such run.", hint="The overview names what is held.")
    decision = _DECISIONS[action]
    try:
        _, count = await deletion_reviews.review_deletions(engine, run_id, decision, by, request.app[ALERTING])
    except NotFoundError as error:
        await enter_alone(engine, by, action, f"refused: {error.message}", org_id=run.org_id, run_id=run_id)
        raise NotFoundError(error.message, hint="“Attention” lists what awaits a decision.") from error
    flash(request, f"Deletion of {plural(count, 'cadence')} {decision}. {_THEN[decision]}")
    raise web.HTTPSeeOther(f"/runs/{run_id}")


@routes.get("/audit")
async def list_audit_log(request: web.Request) -> web.Response:
    scope, number = params.scope_of(request, params.words(request, "org")), params.number(request, "page")
    async with params.reading(request, scope) as connection:
        actions, more = await list_actions(connection, scope, number, SIZE)
    params.check_page(number, actions)
    return await page(request, "audit.html", actions=actions, more=more, number=number, size=SIZE)
