"""What every request passes through on its way in: the journal, the faults, and Zoho's form of refusals."""

import asyncio
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.simulator.app_keys import SIMULATOR, asked_org
from cadence_sync.simulator.faults import FAULT_HANDLERS, Fault, FaultContext, FaultRequest
from cadence_sync.simulator.replies import ZohoError, error_response
from cadence_sync.simulator.simulator import LoggedRequest, kind_of, plain_query

_Response: TypeAlias = web.StreamResponse


@web.middleware
async def journaled(request: web.Request, handler: Handler) -> _Response:
    """Note the request once it is answered, or broken off."""
    kind = kind_of(request)
    if kind == "control":
        return await handler(request)
    simulator = request.app[SIMULATOR]
    org = await asked_org(request)
    status: int | None = None
    try:
        response = await handler(request)
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
                query=plain_query(request),
                status=status,
                user_agent=request.headers.get("User-Agent", ""),
                org=org.index if org else None,
            )
        )


@web.middleware
async def struck(request: web.Request, handler: Handler) -> _Response:
    """Let a fault that waits for such a request strike it."""
    kind = kind_of(request)
    if kind == "control":
        return await handler(request)
    simulator = request.app[SIMULATOR]
    org = await asked_org(request)
    asked = FaultRequest(
        target="token" if kind == "token" else "api",
        page=_page(request) if kind == "list" else None,
        org=org.index if org else None,
    )
    fault = simulator.faults.next_for(asked)
    if fault is None:
        return await handler(request)
    return await _strike(fault, FaultContext(fault, request, handler, org, simulator.settings.order))


@web.middleware
async def refused(request: web.Request, handler: Handler) -> _Response:
    """Give refusals, those of the router too, the form that Zoho gives them."""
    try:
        return await handler(request)
    except ZohoError as error:
        return error.response()
    except web.HTTPNotFound:
        return error_response("INVALID_URL_PATTERN")
    except web.HTTPMethodNotAllowed:
        return error_response("INVALID_REQUEST_METHOD")


async def _strike(fault: Fault, context: FaultContext) -> _Response:
    if fault.delay:
        await asyncio.sleep(fault.delay)
    response = await FAULT_HANDLERS[fault.kind].run(context)
    if fault.headers and not response.prepared:
        response.headers.update(fault.headers)
    return response


def _page(request: web.Request) -> int:
    text = request.query.get("page", "1")
    return int(text) if text.isdecimal() else 0
