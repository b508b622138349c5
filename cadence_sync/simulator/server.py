"""The simulator as a server on loopback: both of Zoho's hosts, and the control, under one address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.simulator import api, control
from cadence_sync.simulator.faults import FAULT_HANDLERS, FaultContext
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.replies import ZohoError, error_response
from cadence_sync.simulator.simulator import SIMULATOR, LoggedRequest, Simulator, find_org

HOST = "127.0.0.1"
_CADENCES = "/settings/automation/cadences"
_PLAIN = frozenset({"page", "per_page", "module", "name", "active", "fields"})
"""Parameters of the cadences API; values of others are possibly secrets."""
_GRACE = 0.1  # seconds: a delayed answer must not delay the end


def make_app(sim: Simulator) -> web.Application:
    app = web.Application(middlewares=[_intercept, _translate_errors])
    app[SIMULATOR] = sim
    app.router.add_post("/oauth/v2/token", api.token)
    app.router.add_get(f"/crm/{{version:v[78]}}{_CADENCES}", api.list_cadences)
    app.router.add_get(f"/crm/v8{_CADENCES}/{{id}}", api.get_cadence)
    control.add_routes(app)
    return app


@asynccontextmanager
async def running(sim: Simulator, *, port: int = 0) -> AsyncIterator[str]:
    """Serves until the context ends; yields the base URL. Port 0 is any free one."""
    # Without the access log, which may show secrets in URLs; the request log masks them.
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
    """Edits every organization each `edit_every` seconds; a change of settings restarts the wait."""
    while True:
        try:
            async with asyncio.timeout(sim.settings.edit_every):
                await sim.settings_changed.wait()
            sim.settings_changed.clear()
        except TimeoutError:
            for org in sim.orgs:
                sim.edit(sim.settings.edits_at_once, org.index)


@web.middleware
async def _intercept(request: web.Request, handler: Handler) -> web.StreamResponse:
    kind = _kind(request)
    if kind == "control":
        return await handler(request)
    simulator, org = request.app[SIMULATOR], await find_org(request)
    status: int | None = None
    try:
        response = await _answer(request, handler, kind, org)
        if request.transport is not None and not request.transport.is_closing():
            status = response.status
        return response
    finally:
        simulator.journal.note(
            LoggedRequest(
                at=simulator.clock(),
                kind=kind,
                method=request.method,
                path=request.path,
                query={key: value if key in _PLAIN else "***" for key, value in request.query.items()},
                status=status,
                user_agent=request.headers.get("User-Agent", ""),
                org=org.index if org else None,
            )
        )


def _kind(request: web.Request) -> str:
    path = request.path
    if path.startswith("/_simulator/"):
        return "control"
    if path == "/oauth/v2/token":
        return "token"
    if path.startswith("/crm/") and path.endswith("/settings/automation/cadences"):
        return "list"
    return "one" if path.startswith("/crm/") and "/settings/automation/cadences/" in path else "other"


async def _answer(request: web.Request, handler: Handler, kind: str, org: SimOrg | None) -> web.StreamResponse:
    simulator = request.app[SIMULATOR]
    page = _page(request) if kind == "list" else None
    fault = simulator.faults.next_for("token" if kind == "token" else "api", page, org.index if org else None)
    if fault is None:
        return await handler(request)
    if fault.delay:
        await asyncio.sleep(fault.delay)
    context = FaultContext(fault, request, handler, org, simulator.settings.order)
    response = await FAULT_HANDLERS[fault.kind].run(context)
    if fault.headers and not response.prepared:
        response.headers.update(fault.headers)
    return response


def _page(request: web.Request) -> int:
    text = request.query.get("page", "1")
    return int(text) if text.isdecimal() else 0


@web.middleware
async def _translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ZohoError as error:
        return error.response
    except web.HTTPNotFound:
        return error_response("INVALID_URL_PATTERN")
    except web.HTTPMethodNotAllowed:
        return error_response("INVALID_REQUEST_METHOD")
