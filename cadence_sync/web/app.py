"""The web UI as an aiohttp application."""

import asyncio
import mimetypes

from aiohttp import web

from cadence_sync.alerts.routing import build_routing
from cadence_sync.config.settings import Settings
from cadence_sync.db.engine import Engine
from cadence_sync.ports import Clock
from cadence_sync.web import templating
from cadence_sync.web.access import ACCESS, Access
from cadence_sync.web.authentication import ON_LOGIN, OnLogin
from cadence_sync.web.downloads import AT_ONCE, DOWNLOADS
from cadence_sync.web.login_attempts import LOGIN_ATTEMPTS, LoginAttempts
from cadence_sync.web.middleware import add_headers, check_form, check_host, check_place, check_user, render_errors
from cadence_sync.web.params import CLOCK, ENGINE
from cadence_sync.web.roles import check_role
from cadence_sync.web.sessions import keep_session
from cadence_sync.web.views import PAGES
from cadence_sync.web.views.overview import INTERVAL, REQUEST_SYNC, SCHEDULES, RequestSync, Schedules
from cadence_sync.web.views.runs import ALERTING


def web_ui_app(
    settings: Settings,
    engine: Engine,
    clock: Clock,
    request_sync: RequestSync,
    schedules: Schedules = dict,
    on_login: OnLogin = lambda _: None,
) -> web.Application:
    # The session is outermost: an error page may change it, too.
    middlewares = [keep_session, render_errors, check_place, check_host, check_user, check_role, check_form]
    app = web.Application(middlewares=middlewares, client_max_size=64 * 1024)
    app[ENGINE], app[CLOCK], app[REQUEST_SYNC] = engine, clock, request_sync
    app[ACCESS], app[LOGIN_ATTEMPTS], app[ON_LOGIN] = Access.of(settings), LoginAttempts(clock), on_login
    app[ALERTING] = build_routing(settings)
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
