"""What a browser keeps: a random secret that scripts cannot read, the time zone, and a message for the next page.

A login is a row of `web_sessions` under the digest of that secret; forms repeat what is derived from it. So no key of
this process is behind a cookie, and nothing in one can be computed from a guess of the token.
"""

import base64
import hashlib
import hmac
import re
import secrets
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from cadence_sync.web.access import ACCESS

SESSION_LIFETIME: Final = timedelta(hours=12)
"""From the login, whatever is done meanwhile."""
CSRF_FIELD: Final = "csrf"
COOKIE: Final = "cadence_sync"
ZONE_COOKIE: Final = "cadence_sync_zone"
FLASH_COOKIE: Final = "cadence_sync_flash"
HOST_PREFIX: Final = "__Host-"
"""Browsers take such a cookie from this very host over TLS only: https://www.rfc-editor.org/rfc/rfc6265.html."""
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_YEAR: Final = 365 * 24 * 3600
_MINUTE: Final = 60


@dataclass(slots=True)
class BrowserSession:
    secret: str
    is_new: bool
    zone: str | None = None
    flash: str | None = None
    is_logged_in: bool = False
    """Whether the secret is that of a login, which `log out` can end."""
    _is_used: bool = False
    _kept: tuple[str | None, str | None] = (None, None)

    @classmethod
    def of(cls, request: web.Request, prefix: str) -> "BrowserSession":
        given = request.cookies.get(prefix + COOKIE, "")
        is_known = _SECRET.fullmatch(given) is not None
        session = cls(given if is_known else secrets.token_urlsafe(32), is_new=not is_known)
        session.zone = request.cookies.get(prefix + ZONE_COOKIE)
        if is_known:
            session.flash = session._opened(request.cookies.get(prefix + FLASH_COOKIE, ""))
        session._kept = session.zone, session.flash
        return session

    def renew(self) -> str:
        """Returns a new secret: whoever knew the former one, such as before a login, gains nothing."""
        self.secret, self.is_new, self.is_logged_in = secrets.token_urlsafe(32), True, False
        self._is_used = True
        return self.secret

    @property
    def csrf(self) -> str:
        return self.derive("form", "").hex()

    def derive(self, purpose: str, text: str) -> bytes:
        """Returns what only the holder of this session's secret can compute of a text."""
        self._is_used = True
        message = f"{purpose}\0{text}".encode(errors="surrogatepass")
        return hmac.digest(self.secret.encode(), message, hashlib.sha256)

    def save(self, response: web.StreamResponse, prefix: str) -> None:
        def keep(name: str, value: str, max_age: int | None) -> None:
            response.set_cookie(
                prefix + name, value, max_age=max_age, path="/", httponly=True, samesite="Lax", secure=bool(prefix)
            )

        zone, flash = self._kept
        if self.flash is not None and self.flash != flash:
            keep(FLASH_COOKIE, self._sealed(self.flash), _MINUTE)
        elif flash is not None and self.flash is None:
            response.del_cookie(prefix + FLASH_COOKIE, path="/", secure=bool(prefix), httponly=True, samesite="Lax")
        if self.is_new and self._is_used:
            keep(COOKIE, self.secret, None)
        if self.zone is not None and self.zone != zone:
            keep(ZONE_COOKIE, self.zone, _YEAR)

    def _sealed(self, text: str) -> str:
        body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{self.derive('flash', text).hex()}.{body}"

    def _opened(self, value: str) -> str | None:
        seal, _, body = value.partition(".")
        try:
            text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
        except (Base64Error, ValueError):
            return None
        return text if hmac.compare_digest(seal.encode(), self.derive("flash", text).hex().encode()) else None


_SESSION: Final = web.RequestKey("session", BrowserSession)


def session_of(request: web.Request) -> BrowserSession:
    return request[_SESSION]


@web.middleware
async def keep_session(request: web.Request, handler: Handler) -> web.StreamResponse:
    prefix = HOST_PREFIX if request.app[ACCESS].is_secure(request) else ""
    session = request[_SESSION] = BrowserSession.of(request, prefix)
    try:
        response = await handler(request)
    except web.HTTPException as redirect:
        session.save(redirect, prefix)
        raise
    if not response.prepared:
        session.save(response, prefix)
    return response
