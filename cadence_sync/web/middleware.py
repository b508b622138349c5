"""What every request passes: the right host, a known user, and for whatever changes something, a form of ours."""

import hmac
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from cadence_sync.web import params
from cadence_sync.web.app_keys import ACCESS, LIMITS, USER
from cadence_sync.web.errors import refused
from cadence_sync.web.sessions import CSRF_FIELD, session_of

READING: Final = frozenset({"GET", "HEAD"})
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
LOGIN: Final = "/login"
STATIC: Final = "/static/"
TOKEN_USER: Final = "token"  # noqa: S105 - what the audit calls whoever has it
OPEN_USER: Final = "loopback"


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse names that are not this page's: a website could let its own point at this machine."""
    if request.path not in PROBES and not request.app[ACCESS].knows_host(request.host):
        raise refused(
            web.HTTPMisdirectedRequest,
            f"This page is not served under the name {request.host!r}.",
            "Open it at localhost. To serve it under another name, set CADENCE_SYNC_WEB_TOKEN.",
        )
    return await handler(request)


@web.middleware
async def check_user(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks; people who are not known are sent to the login form, programs are refused."""
    if request.path in PROBES or request.path.startswith(STATIC):
        return await handler(request)
    user = await _user(request)
    if user is not None:
        request[USER] = user
    elif request.path != LOGIN:
        raise _unknown(request)
    return await handler(request)


@web.middleware
async def check_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let nothing be changed but by a form of this page: by origin, and by the secret that the form repeats."""
    access = request.app[ACCESS]
    # What a program sends with the token, which `check_user` has compared, no browser sends by itself.
    by_token = _bearer(request) is not None
    if request.method in READING or request.path in PROBES or by_token:
        return await handler(request)
    origin = request.headers.get("Origin") or request.headers.get("Referer")
    foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}
    if foreign or (origin is not None and not access.is_own_origin(request, origin)):
        raise refused(
            web.HTTPForbidden,
            "That was sent from another website.",
            "Use the forms of this page. Behind a proxy, let it pass on `Host`, or set CADENCE_SYNC_WEB_URL.",
        )
    given = (await params.form(request)).get(CSRF_FIELD, "")
    expected = session_of(request).get(CSRF_FIELD)
    if not expected or not _same(given, expected):
        raise refused(web.HTTPForbidden, "This form is too old to be sent.", "Go back, load the page anew, try again.")
    return await handler(request)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def local(path: object) -> str:
    """Return a path of this page to go on to; anything else becomes the first one."""
    is_local = isinstance(path, str) and path.startswith("/") and not path.startswith(("//", "/\\"))
    return str(path) if is_local and str(path).isprintable() else "/"


async def _user(request: web.Request) -> str | None:
    access = request.app[ACCESS]
    if access.is_open:
        return OPEN_USER
    named = access.proxy_user(request)
    if named is not None:
        return named
    bearer = _bearer(request)
    if bearer is not None:
        return TOKEN_USER if _accepted(request, bearer) else None
    return session_of(request).get("user") if access.token is not None else None


def _bearer(request: web.Request) -> str | None:
    """Return what is meant as our token: a proxy that says who it is may send one of its own."""
    access = request.app[ACCESS]
    if access.token is None or access.proxy_user(request) is not None:
        return None
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _accepted(request: web.Request, token: str) -> bool:
    access, limits = request.app[ACCESS], request.app[LIMITS]
    client = access.client(request)
    check_rate(request)
    if access.is_token(token):
        return True
    limits.fail(client)
    return False


def check_rate(request: web.Request) -> None:
    """Refuse a client that tried too many wrong tokens."""
    wait = request.app[LIMITS].wait(request.app[ACCESS].client(request))
    if wait > 0:
        error = refused(
            web.HTTPTooManyRequests,
            "Too many wrong tokens were tried.",
            f"Try again in {max(1, round(wait / 60))} min.",
        )
        error.headers["Retry-After"] = str(int(wait) + 1)
        raise error


def _unknown(request: web.Request) -> web.HTTPException:
    access = request.app[ACCESS]
    if access.token is None:
        return refused(
            web.HTTPForbidden,
            "The proxy in front of this page does not say who you are.",
            f"It must be one of CADENCE_SYNC_WEB_TRUSTED_PROXIES and set {access.user_header}.",
        )
    wants_page = "text/html" in request.headers.get("Accept", "") and _bearer(request) is None
    if request.method in READING and wants_page:
        return web.HTTPSeeOther(f"{LOGIN}?{urlencode({'next': request.path_qs})}")
    error = refused(web.HTTPUnauthorized, "This needs the token.", "Send it as `Authorization: Bearer …`, or log in.")
    error.headers["WWW-Authenticate"] = "Bearer"
    return error


MIDDLEWARES: Final[tuple[Middleware, ...]] = (check_host, check_user, check_form)


_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: that would hide the origin of our own forms, too.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add them as an answer is about to be sent, whatever made it."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)
