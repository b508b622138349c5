"""Faults that the simulator applies to matching requests, in the order in which they were added."""

import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.simulator import edits
from cadence_sync.simulator.org import Order, SimOrg
from cadence_sync.simulator.replies import USUAL_CODES, encoded_response, error_response, json_response

Target: TypeAlias = Literal["api", "token"]

_GATEWAY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>ZGS</center></body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: what happens (`kind`, one of `FAULT_KINDS`), to which requests, how often.

    It lets `after` matching requests pass, and applies to the next `times`; None is the default of the kind. `code` is
    Zoho's error code, with target `token` (the accounts host) the word in `{"error": ...}`. `delay` is in seconds, for
    any kind. `headers` are those of the answer, such as `Retry-After`; `redirect` needs `Location`.
    """

    kind: str
    times: int | None = None
    status: int | None = None
    code: str | None = None
    match_page: int | None = None
    target: Target = "api"
    delay: float | None = None
    after: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    org: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULT_HANDLERS:
            raise ValueError(f"no fault {self.kind!r}: there are {', '.join(FAULT_KINDS)}")
        needed = FAULT_HANDLERS[self.kind].needs
        if needed and getattr(self, needed) is None:
            raise ValueError(f"fault {self.kind!r} needs {needed}")
        if self.kind == "redirect" and "Location" not in (self.headers or {}):
            raise ValueError("fault 'redirect' needs the header Location")

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Fault":
        """Converts a fault of the control API, whose `body` is text; raises `ValueError`."""
        if unknown := sorted(set(document) - {known.name for known in fields(cls)}):
            raise ValueError(f"a fault has no {', '.join(unknown)}")
        body = document.get("body")
        encoded = {"body": body.encode()} if isinstance(body, str) else {}
        return msgspec.convert({**document, **encoded}, cls)


@dataclass(frozen=True, slots=True)
class FaultContext:
    """A fault and the request that it meets; `answer` handles a request without the fault."""

    fault: Fault
    request: web.Request
    answer: Handler
    org: SimOrg | None
    order: Order

    async def usual(self) -> web.StreamResponse:
        return await self.answer(self.request)


@dataclass(frozen=True, slots=True)
class FaultHandler:
    """How a kind answers; by default `times` requests, of a list from `first_page` on. `needs` is a required field."""

    run: Callable[[FaultContext], Awaitable[web.StreamResponse]]
    times: int = 1
    first_page: int | None = None
    needs: str = ""


async def _status(context: FaultContext) -> web.StreamResponse:
    fault = context.fault
    if fault.target == "token":
        return json_response({"error": fault.code or "general_error"}, fault.status or 400)
    status = fault.status or (None if fault.code else 500)
    return error_response(fault.code or USUAL_CODES.get(status or 500, "INTERNAL_SERVER_ERROR"), status)


async def _html(context: FaultContext) -> web.StreamResponse:
    page = web.Response(status=context.fault.status or 502, content_type="text/html", charset="UTF-8")
    page.text = _GATEWAY_PAGE.format(status=page.status, reason=page.reason)
    return page


async def _empty(context: FaultContext) -> web.StreamResponse:
    return web.Response(status=context.fault.status or 200)


async def _truncated(context: FaultContext) -> web.StreamResponse:
    usual = await context.usual()
    body = _body(usual)
    return encoded_response(body[: len(body) // 2], context.fault.status or usual.status)


async def _reset(context: FaultContext) -> web.StreamResponse:
    transport = context.request.transport
    if transport is not None:
        # Lingering for 0 seconds makes the kernel send RST instead of an orderly FIN.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _cut(context: FaultContext) -> web.StreamResponse:
    usual = await context.usual()
    body = _body(usual)
    partial = web.StreamResponse(status=usual.status, headers={"Content-Type": "application/json;charset=UTF-8"})
    partial.content_length = len(body)
    await partial.prepare(context.request)
    await partial.write(body[: len(body) // 2])
    if context.request.transport is not None:
        context.request.transport.close()
    return partial


async def _given_body(context: FaultContext) -> web.StreamResponse:
    return encoded_response(context.fault.body or b"", context.fault.status or 200)


async def _redirect(context: FaultContext) -> web.StreamResponse:
    return web.Response(status=context.fault.status or 302)


async def _repeat_page(context: FaultContext) -> web.StreamResponse:
    page = int(context.request.query.get("page", "1"))
    first = context.request.clone(rel_url=context.request.rel_url.update_query(page=1))
    return _with_info(await context.answer(first), page=page, more_records=True)


async def _end_early(context: FaultContext) -> web.StreamResponse:
    return _with_info(await context.usual(), more_records=False)


async def _shift(context: FaultContext) -> web.StreamResponse:
    if context.org is not None and context.org.cadences:
        edits.delete(context.org, context.org.ordered(context.order)[0].id)
    return await context.usual()


FAULT_HANDLERS: dict[str, FaultHandler] = {
    "status": FaultHandler(_status),  # any status, with Zoho's error body
    "html": FaultHandler(_html),  # a gateway's HTML page, 502 by default
    "empty": FaultHandler(_empty),  # 200 and no body
    "truncated": FaultHandler(_truncated),  # half of the body, with the Content-Length of the half
    "cut": FaultHandler(_cut),  # half of the body, with the Content-Length of the whole, then the connection closes
    "reset": FaultHandler(_reset),  # the connection is reset without an answer
    "delay": FaultHandler(FaultContext.usual, needs="delay"),  # the usual answer, late
    "body": FaultHandler(_given_body, needs="body"),  # 200 and the given bytes
    "redirect": FaultHandler(_redirect, needs="headers"),  # 302 to the header Location
    # Page 1's records under the requested page number, always with `more_records`.
    "repeat_page": FaultHandler(_repeat_page, times=sys.maxsize, first_page=1),
    "end_early": FaultHandler(_end_early, first_page=1),  # a page that calls itself the last
    # A cadence of page 1 is deleted before a later page is answered, so that the listing misses another one.
    "shift": FaultHandler(_shift, first_page=2),
}
FAULT_KINDS = tuple(FAULT_HANDLERS)


def _body(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


def _with_info(response: web.StreamResponse, **info: object) -> web.StreamResponse:
    if response.status != web.HTTPOk.status_code:
        return response
    document: dict[str, Any] = msgspec.json.decode(_body(response))
    document["info"] |= info
    return json_response(document)


@dataclass(slots=True)
class _ActiveFault:
    fault: Fault
    remaining: int
    to_skip: int


@dataclass(slots=True)
class FaultQueue:
    _active: list[_ActiveFault] = field(default_factory=list)
    """Oldest first."""

    def add(self, fault: Fault) -> None:
        times = FAULT_HANDLERS[fault.kind].times if fault.times is None else fault.times
        if times > 0:
            self._active.append(_ActiveFault(fault, times, fault.after or 0))

    def clear(self) -> None:
        self._active.clear()

    def waiting(self) -> list[Fault]:
        return [active.fault for active in self._active]

    def next_for(self, target: Target, page: int | None, org: int | None) -> Fault | None:
        """Returns the fault to apply to a request, if any, and counts it; `page` is None except for lists."""
        for active in self._active:
            if not _matches(active.fault, target, page, org):
                continue
            if active.to_skip:
                active.to_skip -= 1
                continue
            active.remaining -= 1
            if not active.remaining:
                self._active.remove(active)
            return active.fault
        return None


def _matches(fault: Fault, target: Target, page: int | None, org: int | None) -> bool:
    if fault.target != target or fault.org not in {None, org}:
        return False
    if fault.match_page is not None:
        return fault.match_page == page
    first_page = FAULT_HANDLERS[fault.kind].first_page
    return first_page is None or (page is not None and page >= first_page)
