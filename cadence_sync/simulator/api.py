"""The API host: lists of cadences in v7 and v8, and v8's single cadence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web

from cadence_sync.simulator import filters, serializers
from cadence_sync.simulator.app_keys import SIMULATOR, authorized
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.replies import ZohoError, json_response
from cadence_sync.simulator.simulator import Simulator

_LARGEST = 2**31 - 1


async def list_cadences(request: web.Request) -> web.StreamResponse:
    """Answer one page; 204 without a body where no cadence stands on it."""
    simulator, org = request.app[SIMULATOR], authorized(request)
    async with _counted(simulator, org):
        version = cast("serializers.Version", request.match_info["version"])
        page, per_page = _paging(request, simulator)
        found = org.ordered(simulator.settings.order)
        if version == "v8":
            found = filters.apply(found, org, request.query)
        start = (page - 1) * per_page
        shown = found[start : start + per_page]
        if not shown:
            return _with_credits(web.Response(status=204), simulator, org)
        render = filters.name_only if version == "v8" and "fields" in request.query else serializers.LISTS[version]
        body: dict[str, Any] = {
            "cadences": [render(cadence, org.utc_offset) for cadence in shown],
            "info": {
                "per_page": per_page,
                "count": len(shown),
                "page": page,
                "more_records": start + per_page < len(found),
            },
        }
        return _with_credits(json_response(body), simulator, org)


async def get_cadence(request: web.Request) -> web.StreamResponse:
    """Answer one cadence with its steps, a pending draft by its own id too; 204 for an unknown id."""
    simulator, org = request.app[SIMULATOR], authorized(request)
    async with _counted(simulator, org):
        cadence = org.find(request.match_info["id"])
        if cadence is None:
            return _with_credits(web.Response(status=204), simulator, org)
        return _with_credits(json_response({"cadences": [serializers.one_v8(cadence)]}), simulator, org)


@asynccontextmanager
async def _counted(simulator: Simulator, org: SimOrg) -> AsyncIterator[None]:
    """Hold a call to the organization's limits; the wait for Zoho's answer is part of the call."""
    settings = simulator.settings
    if settings.max_concurrent is not None and simulator.in_flight[org.index] >= settings.max_concurrent:
        raise ZohoError("TOO_MANY_REQUESTS")
    if settings.credits is not None and simulator.calls[org.index] >= settings.credits:
        raise ZohoError("TOO_MANY_REQUESTS", "API credits of the last 24 hours are used up.")
    simulator.calls[org.index] += 1
    simulator.in_flight[org.index] += 1
    try:
        await simulator.wait()
        yield
    finally:
        simulator.in_flight[org.index] -= 1


def _with_credits(response: web.Response, simulator: Simulator, org: SimOrg) -> web.Response:
    """Say how many credits remain, which Zoho does once half of them are used."""
    budget, used = simulator.settings.credits, simulator.calls[org.index]
    if budget is not None and used * 2 >= budget:
        response.headers["X-API-CREDITS-REMAINING"] = str(budget - used)
    return response


def _paging(request: web.Request, simulator: Simulator) -> tuple[int, int]:
    settings = simulator.settings
    if settings.reject_per_page and "per_page" in request.query:
        raise ZohoError("INVALID_DATA", "the parameter is not supported", param_name="per_page")
    page = _number(request, "page", 1)
    # A larger page than the server gives is no error: `info.per_page` says what was given.
    return page, min(_number(request, "per_page", settings.default_per_page), settings.max_per_page)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ZohoError("UNABLE_TO_PARSE_DATA_TYPE")
    if not 1 <= int(text) <= _LARGEST:
        raise ZohoError("INVALID_DATA", "invalid data", param_name=name)
    return int(text)
