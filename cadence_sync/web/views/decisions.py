"""Approving and rejecting deletions that a run held."""

from typing import Final

from aiohttp import web

from cadence_sync.core.labels import plural
from cadence_sync.db.audit import decide_and_enter, enter_action
from cadence_sync.db.deletion_reviews import Decision
from cadence_sync.db.queries import reading
from cadence_sync.db.queries.runs import find_run
from cadence_sync.errors import NotFoundError
from cadence_sync.web.app_keys import ALERTING, ENGINE, USER
from cadence_sync.web.templating import flash

routes = web.RouteTableDef()

_DECISIONS: Final[dict[str, Decision]] = {"approve": "approved", "reject": "rejected"}
_THEN: Final = {
    "approved": "The next sync deletes those that are still missing.",
    "rejected": "They stay live and are shown as missing.",
}


@routes.post(r"/runs/{run_id:[0-9]{1,18}}/{action:approve|reject}")
async def decided(request: web.Request) -> web.Response:
    """Note the decision, and who made it; the next sync acts on it."""
    engine, who, run_id = request.app[ENGINE], request[USER], int(request.match_info["run_id"])
    action = request.match_info["action"]
    async with reading(engine) as connection:
        run = await find_run(connection, run_id, None)
    if run is None:
        raise NotFoundError("There is no such run.", hint="The overview names what is held.")
    decision = _DECISIONS[action]
    try:
        count = await decide_and_enter(engine, run_id, decision, who, action, request.app[ALERTING])
    except NotFoundError as error:
        await enter_action(engine, run.org_id, who, action, run_id, f"refused: {error.message}")
        raise NotFoundError(error.message, hint="“Attention” lists what awaits a decision.") from error
    flash(request, f"Deletion of {plural(count, 'cadence')} {decision}. {_THEN[decision]}")
    raise web.HTTPSeeOther(f"/runs/{run_id}")
