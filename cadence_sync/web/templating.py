"""Rendering pages: templates, and the frame with navigation, time zone, user and messages."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
from aiohttp import web

from cadence_sync.core.labels import replace_controls
from cadence_sync.web import filters
from cadence_sync.web.access import ACCESS, IDENTITY
from cadence_sync.web.params import CLOCK, zone_of, zones
from cadence_sync.web.sessions import session_of

HERE: Final = Path(__file__).parent
_TEMPLATES: Final = web.AppKey("templates", jinja2.Environment)
NAVIGATION: Final = {
    "/": "Overview",
    "/cadences": "Cadences",
    "/changes": "Changes",
    "/past": "Time travel",
    "/attention": "Attention",
    "/runs": "Runs",
}


def set_up(app: web.Application) -> None:
    environment = app[_TEMPLATES] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # An address contains a hash of the file, so that browsers may keep it.
    hashes = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in static_files().items()}
    environment.filters.update(filters.FILTERS)
    environment.globals.update(navigation=NAVIGATION, asset=lambda name: f"/static/{name}?{hashes[name]}")


async def page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    session = session_of(request)
    message, session.flash = session.flash, None
    frame = {
        "now": request.app[CLOCK].now(),
        "zone": zone_of(request),
        "zones": zones(),
        "identity": request.get(IDENTITY),
        "is_open": request.app[ACCESS].is_open,
        "may_leave": session.is_logged_in,
        "csrf": session.csrf,
        "path": request.rel_url.raw_path,
        "here": request.path_qs,
        "query": dict(request.query),
        "flash": message,
        "status": status,
    }
    text = request.app[_TEMPLATES].get_template(template).render(frame | values)
    # Names may hold escape sequences, which a page that is saved or fetched by `curl` would hand to a terminal.
    return web.Response(text=replace_controls(text), content_type="text/html", charset="utf-8", status=status)


def flash(request: web.Request, message: str) -> None:
    session_of(request).flash = message


@cache
def static_files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (HERE / "static").iterdir() if file.is_file()}
