"""What needs attention, the review of held deletions, and the audit log of what was done in the web UI."""

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from cadence_sync.alerts.routing import AlertRouting
from cadence_sync.core.labels import plural
from cadence_sync.db.audit import list_actions, log_action, review_and_log
from cadence_sync.db.deletion_reviews import Decision
from cadence_sync.db.queries.overview import ATTENTION_KINDS, AttentionQuery, load_attention
from cadence_sync.db.queries.runs import find_run
from cadence_sync.errors import NotFoundError
from cadence_sync.web import params
from cadence_sync.web.access import USER
from cadence_sync.web.params import CLOCK, ENGINE, reading
from cadence_sync.web.templating import Nav, flash, page

routes = web.RouteTableDef()
nav = Nav("/attention", "Attention")

Schedules = Callable[[], Mapping[str, float]]
"""Returns the seconds between two syncs of each organization, as far as this process's scheduler knows them."""

ALERTING: Final = web.AppKey("alerting", AlertRouting)
INTERVAL: Final = web.AppKey("interval", float)
"""Seconds between two syncs of an organization without a schedule of its own."""
SCHEDULES: Final = web.AppKey[Schedules]("schedules")

SIZE: Final = 50
_DECISIONS: Final[dict[str, Decision]] = {"approve": "approved", "reject": "rejected"}
_THEN: Final = {
    "approved": "The next sync deletes those that are still missing.",
    "rejected": "They stay live and are shown as missing.",
}


@routes.get("/attention")
async def list_attention(request: web.Request) -> web.Response:
    org, kind = params.words(request, "org"), params.one_of(request, "kind", ATTENTION_KINDS)
    number = params.number(request, "page")
    async with reading(request, org) as connection:
        found = await load_attention(connection, attention_query(request), org, kind, number, SIZE)
    params.check_page(number, found.rows)
    total = found.total(kind)
    return await page(
        request, "attention.html", found=found, total=total, number=number, size=SIZE, kinds=ATTENTION_KINDS
    )


@routes.post(r"/runs/{run_id:[0-9]{1,18}}/{action:approve|reject}")
async def review_deletions(request: web.Request) -> web.Response:
    engine, who, run_id = request.app[ENGINE], request[USER], int(request.match_info["run_id"])
    action = request.match_info["action"]
    async with reading(request) as connection:
        run = await find_run(connection, run_id, None)
    if run is None:
        raise NotFoundError("There is no such run.", hint="The overview names what is held.")
    decision = _DECISIONS[action]
    try:
        count = await review_and_log(engine, run_id, decision, who, action, request.app[ALERTING])
    except NotFoundError as error:
        await log_action(engine, run.org_id, who, action, run_id, f"refused: {error.message}")
        raise NotFoundError(error.message, hint="“Attention” lists what awaits a decision.") from error
    flash(request, f"Deletion of {plural(count, 'cadence')} {decision}. {_THEN[decision]}")
    raise web.HTTPSeeOther(f"/runs/{run_id}")


@routes.get("/audit")
async def list_audit_log(request: web.Request) -> web.Response:
    org, number = params.words(request, "org"), params.number(request, "page")
    async with reading(request, org) as connection:
        actions, more = await list_actions(connection, number, SIZE, org)
    params.check_page(number, actions)
    return await page(request, "audit.html", actions=actions, more=more, number=number, size=SIZE)


def attention_query(request: web.Request) -> AttentionQuery:
    app = request.app
    return AttentionQuery(app[CLOCK].now(), app[INTERVAL], app[SCHEDULES]())
