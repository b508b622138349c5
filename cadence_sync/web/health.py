"""`/healthz`: answers while the daemon's event loop turns."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from cadence_sync.errors import SettingsError


@asynccontextmanager
async def serving(host: str, port: int) -> AsyncIterator[None]:
    """Serve while the context lasts."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError(
            f"Nothing can be served on {host}:{port}: {error.strerror}.",
            hint="Choose another CADENCE_SYNC_WEB_PORT.",
        ) from error
    try:
        yield
    finally:
        await runner.cleanup()


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
