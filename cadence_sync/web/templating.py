"""Rendering pages: templates, and the frame with navigation, time zone, user and messages."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
from aiohttp import web

from cadence_sync.web import filters
from cadence_sync.web.access import ACCESS, USER
from cadence_sync.web.params import CLOCK, zone_of, zones
from cadence_sync.web.sessions import csrf, session_of

HERE: Final = Path(__file__).parent
FLASH: Final = "flash"
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
    message = session.pop(FLASH, None) if FLASH in session else None
    frame = {
        "now": request.app[CLOCK].now(),
        "zone": zone_of(request),
        "zones": zones(),
        "user": request.get(USER),
        "is_open": request.app[ACCESS].is_open,
        "may_leave": bool(session.get("user")) and request.app[ACCESS].token is not None,
        "csrf": csrf(request),
        "path": request.rel_url.raw_path,
        "here": request.path_qs,
        "query": dict(request.query),
        "flash": message,
        "status": status,
    }
    text = request.app[_TEMPLATES].get_template(template).render(frame | values)
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


def flash(request: web.Request, message: str) -> None:
    session_of(request)[FLASH] = message


@cache
def static_files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (HERE / "static").iterdir() if file.is_file()}
