"""The simulator as a server on loopback: both of Zoho's hosts, and the control, under one address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from cadence_sync.simulator import api, control, middlewares
from cadence_sync.simulator.app_keys import SIMULATOR
from cadence_sync.simulator.simulator import Simulator

HOST = "127.0.0.1"
_CADENCES = "/settings/automation/cadences"
_GRACE = 0.1  # seconds; a fault that delays an answer must not delay the end


def make_app(sim: Simulator) -> web.Application:
    """Return an application that answers for this simulator."""
    app = web.Application(middlewares=[middlewares.journaled, middlewares.struck, middlewares.refused])
    app[SIMULATOR] = sim
    app.router.add_post("/oauth/v2/token", api.token)
    app.router.add_get(f"/crm/{{version:v[78]}}{_CADENCES}", api.list_cadences)
    app.router.add_get(f"/crm/v8{_CADENCES}/{{id}}", api.get_cadence)
    control.add_routes(app)
    return app


@asynccontextmanager
async def running(sim: Simulator, *, port: int = 0) -> AsyncIterator[str]:
    """Serve until the context ends; yields the base URL, port 0 being any free one."""
    # Without the access log: the journal has what is needed, without what may be secret in a URL.
    runner = web.AppRunner(make_app(sim), access_log=None, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        editing = asyncio.create_task(_edit_now_and_then(sim), name="simulator-edits")
        try:
            yield f"http://{HOST}:{runner.addresses[0][1]}"
        finally:
            editing.cancel()
            with suppress(asyncio.CancelledError):
                await editing
    finally:
        await runner.cleanup()


async def _edit_now_and_then(sim: Simulator) -> None:
    """Edit every organization every `edit_every` seconds; a change of settings starts the wait anew."""
    while True:
        try:
            async with asyncio.timeout(sim.settings.edit_every):
                await sim.settings_changed.wait()
            sim.settings_changed.clear()
        except TimeoutError:
            for org in sim.orgs:
                sim.edit(sim.settings.edits_at_once, org.index)
