"""HTTP of a daemon: the web UI as an aiohttp application, and the server with `/healthz`, `/readyz` and `/metrics`."""

import asyncio
import logging
import mimetypes
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from cadence_sync.alerts.routing import build_routing
from cadence_sync.config.settings import Settings
from cadence_sync.db.engine import Engine
from cadence_sync.errors import SettingsError
from cadence_sync.ports import Clock
from cadence_sync.web import templating
from cadence_sync.web.access import ACCESS, LIMITS, Access, Limits
from cadence_sync.web.downloads import AT_ONCE, DOWNLOADS
from cadence_sync.web.middleware import add_headers, check_form, check_host, check_user, render_errors
from cadence_sync.web.params import CLOCK, ENGINE
from cadence_sync.web.sessions import COOKIES, Cookies, cookie_key, keep_session
from cadence_sync.web.views import PAGES
from cadence_sync.web.views.overview import INTERVAL, REQUEST_SYNC, SCHEDULES, RequestSync, Schedules
from cadence_sync.web.views.runs import ALERTING


def web_ui_app(
    settings: Settings, engine: Engine, clock: Clock, request_sync: RequestSync, schedules: Schedules = dict
) -> web.Application:
    access = Access.of(settings)
    secret = next(iter(settings.encryption_key_list), None)
    cookies = Cookies(cookie_key(secret or access.token or secrets.token_urlsafe(32), access.token))
    # The session is outermost: an error page may change it, too.
    middlewares = [keep_session, render_errors, check_host, check_user, check_form]
    app = web.Application(middlewares=middlewares, client_max_size=64 * 1024)
    app[ENGINE], app[CLOCK], app[REQUEST_SYNC] = engine, clock, request_sync
    app[COOKIES], app[ALERTING] = cookies, build_routing(settings)
    app[ACCESS], app[LIMITS] = access, Limits(clock)
    app[INTERVAL], app[SCHEDULES] = settings.interval_seconds, schedules
    app[DOWNLOADS] = asyncio.Semaphore(AT_ONCE)
    templating.set_up(app)
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/static/{name}", send_static)
    for each in PAGES:
        app.add_routes(each.routes)
    return app


async def send_static(request: web.Request) -> web.Response:
    """Sends a file; its address changes with its content, so browsers may keep it forever."""
    name = request.match_info["name"]
    body = templating.static_files().get(name)
    if body is None:
        raise web.HTTPNotFound
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return web.Response(body=body, content_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


@dataclass(frozen=True, slots=True)
class Probes:
    """`unready` returns what is missing, or None; `metrics` returns Prometheus's text format.

    `failure` returns why only a restart helps, or None, and asks nobody for it.
    """

    unready: Callable[[], Awaitable[str | None]]
    metrics: Callable[[], Awaitable[bytes]]
    failure: Callable[[], str | None]

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
