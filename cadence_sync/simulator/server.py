"""The simulator as a server on loopback: both of Zoho's hosts under one address, and the control.

Requests under `/_simulator/` control it, for tests in other processes and for experiments; those of web pages are
refused.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.config.urls import is_loopback
from cadence_sync.simulator import api
from cadence_sync.simulator.faults import FAULT_HANDLERS, Fault, FaultContext
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.replies import ZohoError, error_response, json_response
from cadence_sync.simulator.simulator import SIMULATOR, LoggedRequest, Simulator, find_org

HOST = "127.0.0.1"
_CADENCES = "/settings/automation/cadences"
_PLAIN = frozenset({"page", "per_page", "module", "name", "active", "fields"})
"""Parameters of the cadences API; values of others are possibly secrets."""


def make_app(sim: Simulator) -> web.Application:
    app = web.Application(middlewares=[_intercept, _translate_errors])
    app[SIMULATOR] = sim
    app.router.add_post("/oauth/v2/token", api.token)
    app.router.add_get(f"/crm/{{version:v[78]}}{_CADENCES}", api.list_cadences)
    app.router.add_get(f"/crm/v8{_CADENCES}/{{id}}", api.get_cadence)
    app.router.add_get("/_simulator/state", _state)
    app.router.add_post("/_simulator/edits", _edit)
    app.router.add_post("/_simulator/faults", _add_fault)
    app.router.add_delete("/_simulator/faults", _resetting(lambda simulator: simulator.faults.clear()))
    app.router.add_post("/_simulator/settings", _settings)
    app.router.add_get("/_simulator/requests", _requests)
    app.router.add_delete("/_simulator/requests", _resetting(lambda simulator: simulator.journal.clear()))
    app.router.add_delete("/_simulator/tokens", _resetting(lambda simulator: simulator.tokens.revoke_all()))
    return app


@asynccontextmanager
async def running(sim: Simulator, *, port: int = 0) -> AsyncIterator[str]:
    """Serves until the context ends; yields the base URL. Port 0 is any free one."""
    # Without the access log, which may show secrets in URLs; the request log masks them.
    # A delayed answer must not delay the end.
    runner = web.AppRunner(make_app(sim), access_log=None, shutdown_timeout=0.1)
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
        try:
            if _may_be_cross_site(request):
                return json_response({"error": "control is for programs of this machine, by its loopback address"}, 403)
            return await handler(request)
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
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


def _may_be_cross_site(request: web.Request) -> bool:
    """Whether a web page may have sent a request, also one whose host name resolves to this machine (DNS rebinding)."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    own = f"{request.scheme}://{request.host}"
    is_own = is_loopback(urlsplit(own).hostname or "")
    return not is_own or site not in {"same-origin", "none"} or origin not in {None, own}


def _kind(request: web.Request) -> str:
    path = request.path
    if path.startswith("/_simulator/"):
        return "control"
    if path == "/oauth/v2/token":
        return "token"
    if path.startswith("/crm/") and path.endswith(_CADENCES):
        return "list"
    return "one" if path.startswith("/crm/") and f"{_CADENCES}/" in path else "other"


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


class _EditRequest(msgspec.Struct, forbid_unknown_fields=True):
    org: int = 0
    count: int = 1
    kind: str | None = None
    cadence_id: str | None = None


def _resetting(reset: Callable[[Simulator], None]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        reset(request.app[SIMULATOR])
        return web.Response(status=204)

    return handler


async def _state(request: web.Request) -> web.StreamResponse:
    simulator = request.app[SIMULATOR]
    orgs = [
        {"org": org.index, "cadences": len(org.cadences), "deleted": len(org.deleted), "calls": calls}
        for org, calls in zip(simulator.orgs, simulator.calls, strict=True)
    ]
    return json_response(
        {
            "orgs": orgs,
            "requests": dict(simulator.journal.counts),
            "faults": [_plain(fault) for fault in simulator.faults.waiting()],
            "settings": asdict(simulator.settings),
        }
    )


async def _edit(request: web.Request) -> web.StreamResponse:
    simulator, wanted = request.app[SIMULATOR], msgspec.json.decode(await request.read(), type=_EditRequest)
    if wanted.kind is None:
        edits = simulator.edit(wanted.count, wanted.org)
    else:
        edits = [simulator.edit_one(wanted.kind, wanted.cadence_id, wanted.org) for _ in range(wanted.count)]
    return json_response({"edits": [asdict(edit) for edit in edits]})


async def _add_fault(request: web.Request) -> web.StreamResponse:
    fault = Fault.from_json(await _object(request))
    request.app[SIMULATOR].faults.add(fault)
    return json_response(_plain(fault), 201)


async def _settings(request: web.Request) -> web.StreamResponse:
    simulator = request.app[SIMULATOR]
    simulator.change_settings(**await _object(request))
    return json_response(asdict(simulator.settings))


async def _requests(request: web.Request) -> web.StreamResponse:
    return json_response({"requests": [asdict(entry) for entry in request.app[SIMULATOR].journal.requests]})


async def _object(request: web.Request) -> dict[str, object]:
    return msgspec.json.decode(await request.read(), type=dict[str, object])


def _plain(fault: Fault) -> dict[str, object]:
    given = {key: value for key, value in asdict(fault).items() if value is not None}
    return given | ({"body": fault.body.decode(errors="replace")} if fault.body is not None else {})
