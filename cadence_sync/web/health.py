"""What machines ask of a daemon: `/healthz`, `/readyz` and `/metrics`."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from cadence_sync.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Probes:
    """`unready` says what is missing, or None; `metrics` answers in Prometheus's text format."""

    unready: Callable[[], Awaitable[str | None]]
    metrics: Callable[[], Awaitable[bytes]]

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answer while the event loop turns."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 200 when work can be done, else 503 and why not."""
        reason = await self.unready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def metricsz(self, _request: web.Request) -> web.Response:
        """Answer what Prometheus scrapes."""
        return web.Response(body=await self.metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})


def is_ours(record: logging.LogRecord) -> bool:
    """Whether it is worth a line of the log: what is no HTTP is answered with 400, and no defect of this process."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@asynccontextmanager
async def serving(
    host: str, port: int, probes: Probes, setting: str, app: web.Application | None = None
) -> AsyncIterator[int]:
    """Yield the port that is served, where 0 stands for a free one; `setting` is what names it.

    The probes join the web UI where there is one.
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
