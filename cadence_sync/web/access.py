"""Access to the web UI: what the settings allow, who sent a request, and how many wrong tokens may be tried."""

import hashlib
import hmac
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from cadence_sync.config.settings import Settings
from cadence_sync.config.urls import checked_networks, is_loopback
from cadence_sync.ports import Actor, Clock

WINDOW: Final = 300.0
"""Seconds for which a failure counts."""
PER_CLIENT: Final = 10
IN_ALL: Final = 100
CLIENTS: Final = 1000
"""Clients whose failures are remembered; the global limit covers the forgotten ones."""


@dataclass(frozen=True, slots=True)
class Access:
    token: str | None = field(default=None, repr=False)
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    user_header: str | None = None
    url: str | None = None
    """The public address of the web UI, if it differs from this process's own."""

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        token = settings.web_token.get_secret_value() if settings.web_token else None
        proxies = checked_networks(settings.web_trusted_proxies)
        return cls(token or None, proxies, settings.web_user_header, settings.web_url)

    @property
    def is_open(self) -> bool:
        """Whether requests need no identity: on loopback, where the machine's own users are trusted."""
        return self.token is None and self.user_header is None

    def is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(_digest(given), _digest(self.token))

    def is_proxied(self, request: web.Request) -> bool:
        return self._is_proxy(request.remote or "")

    def is_secure(self, request: web.Request) -> bool:
        forwarded = request.headers.get("X-Forwarded-Proto", "") if self.is_proxied(request) else ""
        return request.secure or forwarded.rpartition(",")[2].strip().lower() == "https"

    def client(self, request: web.Request) -> str:
        """Returns the address of the client: the last in the chain that is not a trusted proxy's."""
        chain = [request.remote or ""]
        if self.is_proxied(request):
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
            chain = [*(each.strip() for each in forwarded.split(",") if each.strip()), *chain]
        return next((each for each in reversed(chain) if not self._is_proxy(each)), chain[0])

    def proxy_user(self, request: web.Request) -> str | None:
        if self.user_header is None or not self.is_proxied(request):
            return None
        return _readable(request.headers.get(self.user_header, "")).strip()[:200] or None

    def knows_host(self, host: str) -> bool:
        """Whether a request names this site, not a foreign name that resolves to this machine (DNS rebinding).

        Where a cookie or a token is required, a foreign name gains nothing: it has neither.
        """
        if self.token is not None:
            return True
        name = hostname(host)
        if is_loopback(name):
            return True
        return self.user_header is not None and self.url is not None and name == urlsplit(self.url).hostname

    def is_own_origin(self, request: web.Request, origin: str) -> bool:
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
    """Returns the name in a `Host` header without its port; empty where the header is malformed."""
    try:
        parts = urlsplit(f"//{host}")
    except ValueError:
        return ""
    return "" if parts.netloc != host or "@" in host else parts.hostname or ""


def _place(url: str) -> tuple[str, int | None]:
    """Returns host and port, without default ports: a proxy may hide the scheme."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", None
    return parts.hostname or "", None if port in {80, 443} else port


def _readable(header: str) -> str:
    """Returns a header as text: bytes that are not UTF-8 arrive as surrogates and are Latin-1 (RFC 9110, 5.5)."""
    raw = header.encode(errors="surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


@dataclass(slots=True)
class Limits:
    """Counts wrong tokens in a sliding window, by client and in all."""

    clock: Clock
    _all: deque[float] = field(default_factory=deque)
    _clients: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, client: str) -> float:
        """Returns the seconds until this client may try again; 0 for now."""
        now = self.clock.monotonic()
        own = self._clients.get(client, deque())
        return max(_wait(own, PER_CLIENT, now), _wait(self._all, IN_ALL, now))

    def fail(self, client: str) -> None:
        now = self.clock.monotonic()
        own = self._clients.setdefault(client, deque(maxlen=PER_CLIENT))
        self._clients.move_to_end(client)
        own.append(now)
        self._all.append(now)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)


def _wait(failures: deque[float], most: int, now: float) -> float:
    while failures and failures[0] <= now - WINDOW:
        failures.popleft()
    return failures[len(failures) - most] + WINDOW - now if len(failures) >= most else 0.0


ACCESS: Final = web.AppKey("access", Access)
LIMITS: Final = web.AppKey("limits", Limits)
USER: Final = web.RequestKey("user", str)
"""The user's name, as the audit log has it."""


def actor_of(request: web.Request) -> Actor:
    return Actor(request[USER], "web")
