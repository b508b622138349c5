"""A real receiver on loopback that answers as a test says and remembers what it got."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

WAIT = 60
"""Seconds after which something that should arrive has not."""


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """Answers with the next of `answers`, then with 204; one that raises loses the answer."""

    url: str = ""
    answers: list[int | Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with self._arrived:
            self.got.append(Received(request.path, dict(request.headers), body))
            self._arrived.notify_all()
        answer = self.answers.pop(0) if self.answers else 204
        return web.Response(status=answer) if isinstance(answer, int) else await answer(request)

    async def until(self, number: int) -> list[Received]:
        """Wait until so many have arrived."""
        async with asyncio.timeout(WAIT), self._arrived:
            await self._arrived.wait_for(lambda: len(self.got) >= number)
        return self.got


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def lose(request: web.Request) -> web.Response:
    """Take the request, and cut the line before the answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
