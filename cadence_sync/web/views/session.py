"""The session: logging in with the token, logging out, and choosing a time zone."""

from aiohttp import web

from cadence_sync.db.audit import enter_login
from cadence_sync.errors import ArgumentError
from cadence_sync.web import params
from cadence_sync.web.access import ACCESS, USER
from cadence_sync.web.middleware import TOKEN_USER, accepts_token, local
from cadence_sync.web.sessions import session_of
from cadence_sync.web.templating import page

routes = web.RouteTableDef()


@routes.get("/login")
async def show_login(request: web.Request) -> web.Response:
    then = local(request.query.get("next"))
    if USER in request or request.app[ACCESS].token is None:
        raise web.HTTPSeeOther(then)
    return await page(request, "login.html", then=then, wrong=False)


@routes.post("/login")
async def log_in(request: web.Request) -> web.Response:
    given = await params.form(request)
    then = local(given.get("next"))
    if request.app[ACCESS].token is None:
        raise web.HTTPSeeOther(then)
    if not accepts_token(request, given.get("token", "")):
        return await page(request, "login.html", status=403, then=then, wrong=True)
    session = session_of(request)
    zone = session.get("zone")
    session.invalidate()
    await enter_login(request.app[params.ENGINE], TOKEN_USER, request.app[ACCESS].client(request))
    session["user"] = TOKEN_USER
    if zone:
        session["zone"] = zone
    raise web.HTTPSeeOther(then)


@routes.post("/logout")
async def log_out(request: web.Request) -> web.Response:
    session_of(request).invalidate()
    raise web.HTTPSeeOther("/login")


@routes.post("/time-zone")
async def choose_time_zone(request: web.Request) -> web.Response:
    given = await params.form(request)
    name = given.get("zone")
    if name not in params.zones():
        raise ArgumentError("There is no such time zone.", hint="Choose one from the list.")
    session_of(request)["zone"] = name
    raise web.HTTPSeeOther(local(given.get("next")))
