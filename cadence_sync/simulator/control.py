"""Control over HTTP under `/_simulator/`, for tests in other processes and for experiments."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeAlias

import msgspec
from aiohttp import web

from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.replies import json_response
from cadence_sync.simulator.simulator import SIMULATOR

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _EditRequest(msgspec.Struct, forbid_unknown_fields=True):
    org: int = 0
    count: int = 1
    kind: str | None = None
    cadence_id: str | None = None


def add_routes(app: web.Application) -> None:
    app.router.add_get("/_simulator/state", _state)
    app.router.add_post("/_simulator/edits", _checked(_edit))
    app.router.add_post("/_simulator/faults", _checked(_add_fault))
    app.router.add_delete("/_simulator/faults", _clear_faults)
    app.router.add_post("/_simulator/settings", _checked(_settings))
    app.router.add_get("/_simulator/requests", _requests)
    app.router.add_delete("/_simulator/requests", _forget_requests)
    app.router.add_delete("/_simulator/tokens", _revoke)


def _checked(handler: _Handler) -> _Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (ValueError, msgspec.MsgspecError) as error:
            return json_response({"error": str(error)}, 400)

    return answer


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


async def _clear_faults(request: web.Request) -> web.StreamResponse:
    request.app[SIMULATOR].faults.clear()
    return web.Response(status=204)


async def _settings(request: web.Request) -> web.StreamResponse:
    simulator = request.app[SIMULATOR]
    simulator.change_settings(**await _object(request))
    return json_response(asdict(simulator.settings))


async def _requests(request: web.Request) -> web.StreamResponse:
    return json_response({"requests": [asdict(entry) for entry in request.app[SIMULATOR].journal.requests]})


async def _forget_requests(request: web.Request) -> web.StreamResponse:
    request.app[SIMULATOR].journal.clear()
    return web.Response(status=204)


async def _revoke(request: web.Request) -> web.StreamResponse:
    request.app[SIMULATOR].tokens.revoke_all()
    return web.Response(status=204)


async def _object(request: web.Request) -> dict[str, object]:
    return msgspec.json.decode(await request.read(), type=dict[str, object])


def _plain(fault: Fault) -> dict[str, object]:
    given = {key: value for key, value in asdict(fault).items() if value is not None}
    return given | ({"body": fault.body.decode(errors="replace")} if fault.body is not None else {})
