"""The HTTP server of a daemon, with `/healthz`, `/readyz` and `/metrics`."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from cadence_sync.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Probes:
    """`unready` returns what is missing, or None; `metrics` returns Prometheus's text format."""

    unready: Callable[[], Awaitable[str | None]]
    metrics: Callable[[], Awaitable[bytes]]

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(self, _request: web.Request) -> web.Response:
        reason = await self.unready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def metricsz(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self.metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})


def is_ours(record: logging.LogRecord) -> bool:
    """Filters log records: malformed HTTP is answered with 400 and is not a defect of this process."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@asynccontextmanager
async def serving(
    host: str, port: int, probes: Probes, setting: str, app: web.Application | None = None
) -> AsyncIterator[int]:
    """Serves the probes, with the web UI where there is one, and yields the port.

    Port 0 picks a free one; `setting` names the port's setting for the `SettingsError` where it is taken.
    """
    app = web.Application() if app is None else app
    app.router.add_get("/healthz", probes.healthz)
    app.router.add_get("/readyz", probes.readyz)
    app.router.add_get("/metrics", probes.metricsz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    logging.getLogger("aiohttp.server").addFilter(is_ours)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError(
            f"Nothing can be served on {host}:{port}: {error.strerror}.", hint=f"Choose another {setting}."
        ) from error
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
