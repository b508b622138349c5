"""Middleware: the host, the user and the origin of forms are checked, and every error becomes a page."""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.errors import ArgumentError, CadenceSyncError, DatabaseError, NotFoundError
from cadence_sync.logs import log
from cadence_sync.web import params
from cadence_sync.web.access import ACCESS, IDENTITY
from cadence_sync.web.authentication import TooManyWrongTokensError, bearer, identify
from cadence_sync.web.sessions import CSRF_FIELD, session_of
from cadence_sync.web.templating import page

READING: Final = frozenset({"GET", "HEAD"})
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
LOGIN: Final = "/login"
RETRY_AFTER: Final = "10"
"""Seconds until it makes sense to ask a database again that is away or busy."""
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
_STATUS: Final[Mapping[type[CadenceSyncError], int]] = {NotFoundError: 404, ArgumentError: 400, DatabaseError: 503}
_SENTENCES: Final = {
    400: ("That address cannot be read.", "Start again from the overview."),
    404: ("There is no such page.", "Start again from the overview."),
    405: ("That cannot be done at this address.", "Start again from the overview."),
    413: ("That is too much to send.", "Send less."),
}


class RefusedRequestError(Exception):
    def __init__(self, status: int, sentence: str, hint: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.hint = hint
        self.headers = headers or {}


@web.middleware
async def render_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - redirects are exceptions, too
            raise
        sentence, hint = _SENTENCES.get(error.status, (f"{error.reason}.", ""))
        kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return await _page(request, error.status, sentence, hint, kept)
    except RefusedRequestError as error:
        return await _page(request, error.status, error.sentence, error.hint, error.headers)
    except TooManyWrongTokensError as error:
        retry = {"Retry-After": str(int(error.wait) + 1)}
        hint = f"Try again in {max(1, round(error.wait / 60))} min."
        return await _page(request, 429, str(error), hint, retry)
    except CadenceSyncError as error:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        if status >= 500:  # noqa: PLR2004 - the reader cannot fix those
            log.warning("web_request_failed", path=request.path, code=error.code, error=error.message)
        again = {"Retry-After": RETRY_AFTER} if status == 503 else {}  # noqa: PLR2004 - the database may come back
        return await _page(request, status, error.message, error.hint, again)
    except Exception:  # noqa: BLE001 - a person waits for an answer
        log.exception("web_request_failed", path=request.path)
        return await _page(request, 500, "This page failed; that is a defect.", "The log of the daemon says more.")


@web.middleware
async def check_place(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses other machines where no identity is asked for, and what other websites load into their pages."""
    if not request.app[ACCESS].admits(request):
        raise RefusedRequestError(
            403,
            "This web UI is open to its own machine only.",
            "To reach it from elsewhere or through a proxy, set CADENCE_SYNC_WEB_TOKEN.",
        )
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and not _is_visit(request):
        raise RefusedRequestError(403, "That was sent from another website.", "Open the page by itself.")
    return await handler(request)


def _is_visit(request: web.Request) -> bool:
    """Whether a browser shows what it asked for as a page of its own, as after a click on a link."""
    headers = request.headers
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest", "document") == "document"


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses foreign host names: another website could let its own point at this machine."""
    if request.path not in PROBES and not request.app[ACCESS].knows_host(request.host):
        raise RefusedRequestError(
            421,
            f"This page is not served under the name {request.host!r}.",
            "Open it at localhost. To serve it under another name, set CADENCE_SYNC_WEB_TOKEN.",
        )
    return await handler(request)


@web.middleware
async def check_user(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path in PROBES or request.path.startswith("/static/"):
        return await handler(request)
    identity = await identify(request)
    if identity is not None:
        request[IDENTITY] = identity
    elif request.path != LOGIN:
        raise _unknown(request)
    return await handler(request)


@web.middleware
async def check_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Allows changes by forms of this site only: by their origin, and by the secret that they repeat."""
    access = request.app[ACCESS]
    # Programs send the token, which `check_user` has compared, in a header; no browser does so by itself.
    by_token = bearer(request) is not None
    if request.method in READING or request.path in PROBES or by_token:
        return await handler(request)
    origin = request.headers.get("Origin") or request.headers.get("Referer")
    foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}
    if foreign or (origin is not None and not access.is_own_origin(request, origin)):
        raise RefusedRequestError(
            403,
            "That was sent from another website.",
            "Use the forms of this page. Behind a proxy, let it pass on `Host`, or set CADENCE_SYNC_WEB_URL.",
        )
    given = (await params.form(request)).get(CSRF_FIELD, "")
    session = session_of(request)
    if session.is_new or not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise RefusedRequestError(403, "This form is too old to be sent.", "Go back, load the page anew, try again.")
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app[ACCESS].is_secure(request):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)


def local(path: object) -> str:
    """Returns a path of this site to go on to; anything else becomes the overview."""
    is_local = isinstance(path, str) and path.startswith("/") and not path.startswith(("//", "/\\"))
    return str(path) if is_local and str(path).isprintable() else "/"


def _unknown(request: web.Request) -> Exception:
    access = request.app[ACCESS]
    name = access.proxy_user(request)
    if name is not None:
        return RefusedRequestError(
            403, f"No group of {name} may see this.", "CADENCE_SYNC_WEB_GROUPS names those that may."
        )
    if access.token is None and bearer(request) is None:
        return RefusedRequestError(
            403,
            "The proxy in front of this page does not say who you are.",
            f"It must be one of CADENCE_SYNC_WEB_TRUSTED_PROXIES and set {access.user_header}.",
        )
    wants_page = "text/html" in request.headers.get("Accept", "") and bearer(request) is None
    if request.method in READING and wants_page:
        return web.HTTPSeeOther(f"{LOGIN}?{urlencode({'next': request.path_qs})}")
    challenge = {"WWW-Authenticate": "Bearer"}
    return RefusedRequestError(
        401, "This needs the token.", "Send it as `Authorization: Bearer …`, or log in.", challenge
    )


async def _page(
    request: web.Request, status: int, sentence: str, hint: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    response = await page(request, "error.html", status=status, sentence=sentence, hint=hint)
    response.headers.update(headers or {})
    return response
