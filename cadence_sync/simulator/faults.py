"""Faults that wait for a request and strike it, in the order in which they were added."""

import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from aiohttp import web

from cadence_sync.simulator import edits
from cadence_sync.simulator.replies import error_response, json_response, usual_code

if TYPE_CHECKING:
    from cadence_sync.simulator.org import Order, SimOrg


FaultAnswer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

FOREVER = sys.maxsize

_GATEWAY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>ZGS</center></body>
</html>
"""


@dataclass(frozen=True, slots=True)
class FaultContext:
    """A fault that meets a request; `answer` gives what would have come without it."""

    fault: "Fault"
    request: web.Request
    answer: FaultAnswer
    org: "SimOrg | None"
    order: "Order"

    async def usual(self) -> web.StreamResponse:
        """Return the answer to the request as it was asked."""
        return await self.answer(self.request)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """How a kind strikes; unless a fault says otherwise, so many times, and from this page of a list on."""

    run: Callable[[FaultContext], Awaitable[web.StreamResponse]]
    times: int = 1
    first_page: int | None = None
    needs: str = ""


async def _status(context: FaultContext) -> web.StreamResponse:
    fault = context.fault
    if fault.target == "token":
        return json_response({"error": fault.code or "general_error"}, fault.status or 400)
    status = fault.status or (None if fault.code else 500)
    return error_response(fault.code or usual_code(status or 500), status)


async def _html(context: FaultContext) -> web.StreamResponse:
    page = web.Response(status=context.fault.status or 502, content_type="text/html", charset="UTF-8")
    page.text = _GATEWAY_PAGE.format(status=page.status, reason=page.reason)
    return page


async def _empty(context: FaultContext) -> web.StreamResponse:
    return web.Response(status=context.fault.status or 200)


async def _truncated(context: FaultContext) -> web.StreamResponse:
    usual = await context.usual()
    body = _body(usual)
    return web.Response(
        status=context.fault.status or usual.status,
        body=body[: len(body) // 2],
        content_type="application/json",
        charset="UTF-8",
    )


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


async def _delay(context: FaultContext) -> web.StreamResponse:
    return await context.usual()


async def _given_body(context: FaultContext) -> web.StreamResponse:
    return web.Response(
        status=context.fault.status or 200,
        body=context.fault.body,
        content_type="application/json",
        charset="UTF-8",
    )


async def _redirect(context: FaultContext) -> web.StreamResponse:
    return web.Response(status=context.fault.status or 302)


async def _repeat_page(context: FaultContext) -> web.StreamResponse:
    asked = int(context.request.query.get("page", "1"))
    first = context.request.clone(rel_url=context.request.rel_url.update_query(page=1))
    return _with_info(await context.answer(first), page=asked, more_records=True)


async def _end_early(context: FaultContext) -> web.StreamResponse:
    return _with_info(await context.usual(), more_records=False)


async def _shift(context: FaultContext) -> web.StreamResponse:
    if context.org is not None and context.org.cadences:
        edits.delete(context.org, context.org.ordered(context.order)[0].id)
    return await context.usual()


FAULT_HANDLERS: dict[str, FaultKind] = {
    "status": FaultKind(_status),  # any status, with Zoho's error body
    "html": FaultKind(_html),  # a gateway's HTML page, 502 unless told
    "empty": FaultKind(_empty),  # 200 and no body
    "truncated": FaultKind(_truncated),  # half of the body, under a Content-Length that fits the half
    "cut": FaultKind(_cut),  # half of the body, under the Content-Length of the whole, then the connection closes
    "reset": FaultKind(_reset),  # the connection is reset without an answer
    "delay": FaultKind(_delay, needs="delay"),  # the usual answer, late
    "body": FaultKind(_given_body, needs="body"),  # 200 and the given bytes
    "redirect": FaultKind(_redirect, needs="headers"),  # 302 to the header Location
    # Page 1's records under whatever page number was asked for, always with more to come.
    "repeat_page": FaultKind(_repeat_page, times=FOREVER, first_page=1),
    "end_early": FaultKind(_end_early, first_page=1),  # a page that calls itself the last
    # A cadence of page 1 is deleted before a later page is answered, so that one cadence slips through.
    "shift": FaultKind(_shift, first_page=2),
}


def _body(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


def _with_info(response: web.StreamResponse, **info: object) -> web.StreamResponse:
    """Return a list's answer with another `info`; an answer that is no list stays as it is."""
    if response.status != web.HTTPOk.status_code:
        return response
    document: dict[str, Any] = msgspec.json.decode(_body(response))
    document["info"] |= info
    return json_response(document)


Target: TypeAlias = Literal["api", "token"]

FAULT_KINDS = tuple(FAULT_HANDLERS)
"""The names of all kinds of fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what happens (`kind`), to which requests, how often.

    Args:
        kind: One of `FAULT_KINDS`; `strikes` says what each does.
        times: How many requests it strikes; None means as many as is usual for the kind.
        status: HTTP status of the answer, where the kind makes one.
        code: Zoho's error code, for `status`; with target `token` the word in `{"error": ...}`.
        match_page: Strikes only requests for this page of a list.
        target: `api` for the API host, `token` for the accounts host.
        delay: Seconds to wait first; any kind may have it.
        after: How many requests that it would strike it lets pass first.
        body: The bytes to answer with, for `body`.
        headers: Headers of the answer, such as `Retry-After`; `redirect` needs `Location`.
        org: Strikes only requests of this organization; None means all.
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
        """Read a fault as the control takes it, `body` as text; raises ValueError."""
        if unknown := sorted(set(document) - {known.name for known in fields(cls)}):
            raise ValueError(f"a fault has no {', '.join(unknown)}")
        body = document.get("body")
        encoded = {"body": body.encode()} if isinstance(body, str) else {}
        try:
            return msgspec.convert({**document, **encoded}, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """What a fault looks at in a request; `page` is None for anything but a list."""

    target: Target
    page: int | None
    org: int | None


@dataclass(slots=True)
class _Armed:
    fault: "Fault"
    left: int
    passing: int


@dataclass(slots=True)
class FaultQueue:
    """The faults that are switched on."""

    _armed: list[_Armed] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Switch a fault on, behind those that wait."""
        times = FAULT_HANDLERS[fault.kind].times if fault.times is None else fault.times
        if times > 0:
            self._armed.append(_Armed(fault, times, fault.after or 0))

    def clear(self) -> None:
        """Switch all faults off."""
        self._armed.clear()

    def waiting(self) -> list[Fault]:
        """Return the faults that can still strike."""
        return [armed.fault for armed in self._armed]

    def next_for(self, asked: FaultRequest) -> Fault | None:
        """Return the fault that strikes this request, if any, and count it."""
        for armed in self._armed:
            if not _fits(armed.fault, asked):
                continue
            if armed.passing:
                armed.passing -= 1
                continue
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)
            return armed.fault
        return None


def _fits(fault: Fault, asked: FaultRequest) -> bool:
    if fault.target != asked.target or fault.org not in {None, asked.org}:
        return False
    if fault.match_page is not None:
        return fault.match_page == asked.page
    first_page = FAULT_HANDLERS[fault.kind].first_page
    return first_page is None or (asked.page is not None and asked.page >= first_page)
