"""What each kind of fault does to a request: one entry of `STRIKES` each."""

import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from aiohttp import web

from cadence_sync.simulator import edits
from cadence_sync.simulator.replies import error_response, json_response, usual_code

if TYPE_CHECKING:
    from cadence_sync.simulator.faults import Fault
    from cadence_sync.simulator.org import Order, SimOrg

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

FOREVER = sys.maxsize

_GATEWAY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>ZGS</center></body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that meets a request; `answer` gives what would have come without it."""

    fault: "Fault"
    request: web.Request
    answer: Answer
    org: "SimOrg | None"
    order: "Order"

    async def usual(self) -> web.StreamResponse:
        """Return the answer to the request as it was asked."""
        return await self.answer(self.request)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind strikes; unless a fault says otherwise, so many times, and from this page of a list on."""

    run: Callable[[Strike], Awaitable[web.StreamResponse]]
    times: int = 1
    first_page: int | None = None
    needs: str = ""


async def _status(strike: Strike) -> web.StreamResponse:
    fault = strike.fault
    if fault.target == "token":
        return json_response({"error": fault.code or "general_error"}, fault.status or 400)
    status = fault.status or (None if fault.code else 500)
    return error_response(fault.code or usual_code(status or 500), status)


async def _html(strike: Strike) -> web.StreamResponse:
    page = web.Response(status=strike.fault.status or 502, content_type="text/html", charset="UTF-8")
    page.text = _GATEWAY_PAGE.format(status=page.status, reason=page.reason)
    return page


async def _empty(strike: Strike) -> web.StreamResponse:
    return web.Response(status=strike.fault.status or 200)


async def _truncated(strike: Strike) -> web.StreamResponse:
    usual = await strike.usual()
    body = _body(usual)
    return web.Response(
        status=strike.fault.status or usual.status,
        body=body[: len(body) // 2],
        content_type="application/json",
        charset="UTF-8",
    )


async def _reset(strike: Strike) -> web.StreamResponse:
    transport = strike.request.transport
    if transport is not None:
        # Lingering for 0 seconds makes the kernel send RST instead of an orderly FIN.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _cut(strike: Strike) -> web.StreamResponse:
    usual = await strike.usual()
    body = _body(usual)
    partial = web.StreamResponse(status=usual.status, headers={"Content-Type": "application/json;charset=UTF-8"})
    partial.content_length = len(body)
    await partial.prepare(strike.request)
    await partial.write(body[: len(body) // 2])
    if strike.request.transport is not None:
        strike.request.transport.close()
    return partial


async def _delay(strike: Strike) -> web.StreamResponse:
    return await strike.usual()


async def _given_body(strike: Strike) -> web.StreamResponse:
    return web.Response(
        status=strike.fault.status or 200,
        body=strike.fault.body,
        content_type="application/json",
        charset="UTF-8",
    )


async def _redirect(strike: Strike) -> web.StreamResponse:
    return web.Response(status=strike.fault.status or 302)


async def _repeat_page(strike: Strike) -> web.StreamResponse:
    asked = int(strike.request.query.get("page", "1"))
    first = strike.request.clone(rel_url=strike.request.rel_url.update_query(page=1))
    return _with_info(await strike.answer(first), page=asked, more_records=True)


async def _end_early(strike: Strike) -> web.StreamResponse:
    return _with_info(await strike.usual(), more_records=False)


async def _shift(strike: Strike) -> web.StreamResponse:
    if strike.org is not None and strike.org.cadences:
        edits.delete(strike.org, strike.org.ordered(strike.order)[0].id)
    return await strike.usual()


STRIKES: dict[str, Kind] = {
    "status": Kind(_status),  # any status, with Zoho's error body
    "html": Kind(_html),  # a gateway's HTML page, 502 unless told
    "empty": Kind(_empty),  # 200 and no body
    "truncated": Kind(_truncated),  # half of the body, under a Content-Length that fits the half
    "cut": Kind(_cut),  # half of the body, under the Content-Length of the whole, then the connection closes
    "reset": Kind(_reset),  # the connection is reset without an answer
    "delay": Kind(_delay, needs="delay"),  # the usual answer, late
    "body": Kind(_given_body, needs="body"),  # 200 and the given bytes
    "redirect": Kind(_redirect, needs="headers"),  # 302 to the header Location
    # Page 1's records under whatever page number was asked for, always with more to come.
    "repeat_page": Kind(_repeat_page, times=FOREVER, first_page=1),
    "end_early": Kind(_end_early, first_page=1),  # a page that calls itself the last
    # A cadence of page 1 is deleted before a later page is answered, so that one cadence slips through.
    "shift": Kind(_shift, first_page=2),
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
