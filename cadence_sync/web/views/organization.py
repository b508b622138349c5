"""One organization, and asking for a sync of it."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from cadence_sync.db.audit import actions, enter_action
from cadence_sync.db.queries import organization as ask
from cadence_sync.db.queries import overview, reading, runs
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.web import params
from cadence_sync.web.app_keys import ENGINE, INTERVAL, REQUEST_SYNC, SCHEDULES, USER
from cadence_sync.web.templating import flash, page

routes = web.RouteTableDef()

RUNS: Final = 10
ACTIONS: Final = 20
_STATES: Final = {
    "entered": "A sync of {} is queued.",
    "moved ahead": "A sync of {} was queued already; it goes first now.",
    "done": "{} was synced.",
    "running": "A sync of {} is under way already.",
}


@routes.get("/organization")
async def organization(request: web.Request) -> web.Response:
    """Show how it stands."""
    org = params.words(request, "org")
    if org is None:
        raise ArgumentError("No organization is named.", hint="Choose one on the overview.")
    async with reading(request.app[ENGINE]) as connection:
        schedule, fresh = await ask.schedule(connection, org), await overview.one(connection, org)
        latest, _ = await runs.runs(connection, org, None, 1, RUNS)
        drift = await ask.drift(connection, org)
        done, _ = await actions(connection, 1, ACTIONS, org)
    return await page(
        request,
        "organization.html",
        org=fresh,
        schedule=schedule,
        interval=request.app[SCHEDULES]().get(org, request.app[INTERVAL]),
        runs=latest,
        drift=drift,
        actions=done,
    )


@routes.post("/organization/sync")
async def sync_now(request: web.Request) -> web.Response:
    """Ask for a sync, ahead of what the schedule asks for."""
    engine, org = request.app[ENGINE], (await params.form(request)).get("org", "")
    async with reading(engine) as connection:
        await ask.schedule(connection, org)
    try:
        state = await request.app[REQUEST_SYNC](org)
    except CadenceSyncError as error:
        await enter_action(engine, org, request[USER], "sync", None, f"refused: {error.message}")
        raise
    await enter_action(engine, org, request[USER], "sync", None, state)
    flash(request, _STATES[state].format(org))
    raise web.HTTPSeeOther(f"/organization?{urlencode({'org': org})}")
