"""The web UI as an aiohttp application."""

import mimetypes
import secrets
from typing import TYPE_CHECKING, Final

from aiohttp import web

from cadence_sync.alerts.routing import build_routing
from cadence_sync.config.settings import Settings
from cadence_sync.ports import Clock
from cadence_sync.web import templating
from cadence_sync.web.access import ACCESS, LIMITS, Access, Limits
from cadence_sync.web.middleware import add_headers, check_form, check_host, check_user, render_errors
from cadence_sync.web.params import CLOCK, ENGINE
from cadence_sync.web.sessions import COOKIES, Cookies, cookie_key, keep_session
from cadence_sync.web.views import PAGES
from cadence_sync.web.views.overview import INTERVAL, REQUEST_SYNC, SCHEDULES, RequestSync, Schedules
from cadence_sync.web.views.runs import ALERTING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

LARGEST_FORM: Final = 64 * 1024
"""Bytes."""
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


def web_ui_app(
    settings: Settings, engine: "AsyncEngine", clock: Clock, request_sync: RequestSync, schedules: Schedules = dict
) -> web.Application:
    access = Access.of(settings)
    secret = next(iter(settings.encryption_key_list), None)
    cookies = Cookies(cookie_key(secret or access.token or secrets.token_urlsafe(32), access.token))
    # The session is outermost: an error page may change it, too.
    middlewares = [keep_session, render_errors, check_host, check_user, check_form]
    app = web.Application(middlewares=middlewares, client_max_size=LARGEST_FORM)
    app[ENGINE], app[CLOCK], app[REQUEST_SYNC] = engine, clock, request_sync
    app[COOKIES], app[ALERTING] = cookies, build_routing(settings)
    app[ACCESS], app[LIMITS] = access, Limits(clock)
    app[INTERVAL], app[SCHEDULES] = settings.interval_seconds, schedules
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
    return web.Response(body=body, content_type=kind, headers={"Cache-Control": _IMMUTABLE})
