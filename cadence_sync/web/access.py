"""Who may see the web UI: what the settings say of it, and who a request is from."""

import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from cadence_sync.config.settings import Settings
from cadence_sync.config.urls import checked_networks, is_loopback

NAME_LENGTH: Final = 200
"""Characters of a user's name, as a proxy tells it, that are kept."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the web UI is guarded."""

    token: str | None = field(default=None, repr=False)
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    user_header: str | None = None
    url: str | None = None
    """Where people reach the web UI, if that is another address than this process's own."""

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        """Read the settings."""
        token = settings.web_token.get_secret_value() if settings.web_token else None
        proxies = checked_networks(settings.web_trusted_proxies)
        return cls(token or None, proxies, settings.web_user_header, settings.web_url)

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are: on loopback, where the machine's own users are trusted."""
        return self.token is None and self.user_header is None

    def is_token(self, given: str) -> bool:
        """Whether this is the token; takes as long for any other."""
        if self.token is None:
            return False
        return hmac.compare_digest(_digest(given), _digest(self.token))

    def is_proxied(self, request: web.Request) -> bool:
        """Whether a trusted proxy hands this request on."""
        return self._is_proxy(request.remote or "")

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser speaks TLS, as far as this process can know."""
        forwarded = request.headers.get("X-Forwarded-Proto", "") if self.is_proxied(request) else ""
        return request.secure or forwarded.rpartition(",")[2].strip().lower() == "https"

    def client(self, request: web.Request) -> str:
        """Return the address that a request comes from: the last one that no trusted proxy has."""
        chain = [request.remote or ""]
        if self.is_proxied(request):
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
            chain = [*(each.strip() for each in forwarded.split(",") if each.strip()), *chain]
        return next((each for each in reversed(chain) if not self._is_proxy(each)), chain[0])

    def proxy_user(self, request: web.Request) -> str | None:
        """Return who a trusted proxy says it is."""
        if self.user_header is None or not self.is_proxied(request):
            return None
        return _readable(request.headers.get(self.user_header, "")).strip()[:NAME_LENGTH] or None

    def knows_host(self, host: str) -> bool:
        """Whether a request is meant for this page, and not for a name that somebody lets point at this machine.

        Where a cookie or a token is asked for, a foreign name gains nothing: it has neither.
        """
        if self.token is not None:
            return True
        name = hostname(host)
        if is_loopback(name):
            return True
        return self.user_header is not None and self.url is not None and name == urlsplit(self.url).hostname

    def is_own_origin(self, request: web.Request, origin: str) -> bool:
        """Whether a form was sent from a page of this one."""
        own = {_place(f"//{request.host}")}
        if self.url is not None:
            own.add(_place(self.url))
        return origin != "null" and _place(origin) in own

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.proxies)


def hostname(host: str) -> str:
    """Return the name in a `Host` header, without its port; nothing where it is none."""
    try:
        parts = urlsplit(f"//{host}")
    except ValueError:
        return ""
    return "" if parts.netloc != host or "@" in host else parts.hostname or ""


def _place(url: str) -> tuple[str, int | None]:
    """Return host and port, without the ports that go without saying: which scheme it was, a proxy may hide."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", None
    return parts.hostname or "", None if port in {80, 443} else port


def _readable(header: str) -> str:
    """Return a header as text: what is no UTF-8, aiohttp hands on as surrogates, and is Latin-1 (RFC 9110, 5.5)."""
    raw = header.encode(errors="surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
