"""Sessions: an encrypted, short-lived cookie that scripts cannot read."""

import logging
import secrets
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_session import Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cadence_sync.web.access import ACCESS

logging.getLogger("aiohttp_session").setLevel(logging.ERROR)  # an expired cookie is not worth a line

COOKIE: Final = "cadence_sync"
CSRF_FIELD: Final = "csrf"


class Cookies(EncryptedCookieStorage):
    def __init__(self, secret: bytes) -> None:
        # After twelve hours a person has to log in again.
        super().__init__(secret, cookie_name=COOKIE, max_age=12 * 3600, httponly=True, samesite="Lax")

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        await super().save_session(request, response, session)
        if request.app[ACCESS].is_secure(request):
            response.cookies[COOKIE]["secure"] = True


COOKIES: Final = web.AppKey("cookies", Cookies)
_SESSION: Final = web.RequestKey("session", Session)


def cookie_key(secret: str, token: str | None) -> bytes:
    """Derives a key that changes with the token: a new token ends every session."""
    return HKDF(SHA256(), 32, salt=None, info=b"cadence-sync web session").derive(f"{secret}\0{token or ''}".encode())


def session_of(request: web.Request) -> Session:
    return request[_SESSION]


def csrf(request: web.Request) -> str:
    session = session_of(request)
    if CSRF_FIELD not in session:
        session[CSRF_FIELD] = secrets.token_urlsafe(24)
    return str(session[CSRF_FIELD])


@web.middleware
async def keep_session(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Loads the session from the cookie and saves it; the library's own middleware warns at every request."""
    cookies = request.app[COOKIES]
    session = request[_SESSION] = await cookies.load_session(request)
    try:
        response = await handler(request)
    except web.HTTPException as redirect:
        await _save(cookies, request, redirect, session)
        raise
    await _save(cookies, request, response, session)
    return response


async def _save(cookies: Cookies, request: web.Request, response: web.StreamResponse, session: Session) -> None:
    if session._changed:  # noqa: SLF001 - as the library's middleware does
        await cookies.save_session(request, response, session)
