"""The HTTP server of a daemon: `/healthz`, `/readyz`, `/metrics`, and the web UI where there is one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from cadence_sync.config.settings import Settings
from cadence_sync.errors import SettingsError
from cadence_sync.web.access import ACCESS, is_same
from cadence_sync.web.connections import HEAD_SECONDS, KEEPALIVE, Connections, OncePerMinute, raise_file_limit
from cadence_sync.web.tls import Certificate

_GRACE: Final = 5.0
"""Seconds that requests under way may take when the server stops."""


@dataclass(frozen=True, slots=True)
class Probes:
    """`unready` returns what is missing, or None; `metrics` returns Prometheus's text format.

    `failure` returns why only a restart helps, or None, and asks nobody for it.
    """

    unready: Callable[[], Awaitable[str | None]]
    metrics: Callable[[], Awaitable[bytes]]
    failure: Callable[[], str | None]
    metrics_token: str | None = field(default=None, repr=False)

    async def healthz(self, _request: web.Request) -> web.Response:
        reason = self.failure()
        if reason is None:
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "stuck", "reason": reason}, status=503)

    async def readyz(self, _request: web.Request) -> web.Response:
        reason = await self.unready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def metricsz(self, request: web.Request) -> web.Response:
        if self.metrics_token is not None and not self._is_let_in(request):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=await self.metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    def _is_let_in(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and is_same(given.strip(), self.metrics_token)


@dataclass(frozen=True, slots=True)
class Listener:
    host: str
    port: int
    """0 for any free one."""
    setting: str
    """Of the port, for the error where it is taken."""
    certificate: Certificate | None = None
    """None for plain HTTP."""

    @classmethod
    def of(cls, settings: Settings) -> "Listener":
        """Returns where the web UI is served; raises `SettingsError` for a certificate that cannot be used."""
        file = settings.web_tls_certificate
        certificate = None if file is None else Certificate(file, settings.web_tls_key)
        return cls(settings.web_host, settings.web_port, "CADENCE_SYNC_WEB_PORT", certificate)


def is_ours(record: logging.LogRecord) -> bool:
    """Filters log records: malformed HTTP is answered with 400 and is not a defect of this process."""
    return not (record.exc_info and isinstance(record.exc_info[1], (HttpProcessingError, web.RequestPayloadError)))


@asynccontextmanager
async def serving(listener: Listener, probes: Probes, app: web.Application | None = None) -> AsyncIterator[int]:
    """Serves the probes, with the web UI where there is one, and yields the port."""
    app = web.Application() if app is None else app
    app.router.add_get("/healthz", probes.healthz)
    app.router.add_get("/readyz", probes.readyz)
    app.router.add_get("/metrics", probes.metricsz)
    app.middlewares.insert(0, watch)
    is_proxy = app[ACCESS].is_proxy if ACCESS in app else (lambda _: False)
    connections = app[CONNECTIONS] = Connections(raise_file_limit(), is_proxy)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE, shutdown_timeout=_GRACE)
    async with AsyncExitStack() as stack:
        # What is left at the end, after the requests under way had their time, is dropped.
        await stack.enter_async_context(connections.sweeping())
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise RuntimeError("the runner was set up and has no server")
        _quiet_logs()
        server = await _listen(listener, connections.around(runner.server))
        stack.callback(server.close)
        if listener.certificate is not None:
            following = asyncio.create_task(listener.certificate.follow())
            stack.callback(following.cancel)
        yield int(server.sockets[0].getsockname()[1])


async def _listen(listener: Listener, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
    certificate = listener.certificate
    try:
        return await asyncio.get_running_loop().create_server(
            factory,
            listener.host,
            listener.port,
            ssl=None if certificate is None else certificate.context,
            ssl_handshake_timeout=None if certificate is None else HEAD_SECONDS,
            backlog=128,
        )
    except OSError as error:
        raise SettingsError(
            f"Nothing can be served on {listener.host}:{listener.port}: {error.strerror}.",
            hint=f"Choose another {listener.setting}.",
        ) from error


@web.middleware
async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
    connection = request.app[CONNECTIONS].of(request.transport)
    if connection is None:
        return await handler(request)
    with connection.serving():
        return await handler(request)


def _quiet_logs() -> None:
    for name, filter_ in _FILTERS:
        logging.getLogger(name).addFilter(filter_)


CONNECTIONS: Final = web.AppKey("connections", Connections)
_FILTERS: Final = (("aiohttp.server", is_ours), ("asyncio", OncePerMinute("socket.accept() out of system resource")))
