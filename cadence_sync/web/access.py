"""Access to the web UI: what the settings allow, where a request comes from, and what its proxy says of its user."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from cadence_sync.config.settings import GroupSettings, Settings
from cadence_sync.config.urls import checked_networks, is_loopback
from cadence_sync.core.identity import Identity
from cadence_sync.errors import SettingsError
from cadence_sync.ports import Actor

PROXY_SECRET_HEADER: Final = "X-Cadence-Sync-Proxy-Secret"  # noqa: S105 - a header's name
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
"""Headers that say that a proxy passed a request on."""


@dataclass(frozen=True, slots=True)
class Access:
    token: str | None = field(default=None, repr=False)
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    proxy_secret: str | None = field(default=None, repr=False)
    """What a trusted proxy must send, where other programs may send from its address, too."""
    user_header: str | None = None
    groups_header: str | None = None
    groups: Mapping[str, GroupSettings] = field(default_factory=dict)
    """Roles by the name of a group; the first that a person is in decides."""
    url: str | None = None
    """The public address of the web UI, if it differs from this process's own."""

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        token, proxy_secret = settings.web_token, settings.web_proxy_secret
        return cls(
            None if token is None else token.get_secret_value(),
            checked_networks(settings.web_trusted_proxies),
            None if proxy_secret is None else proxy_secret.get_secret_value(),
            settings.web_user_header,
            settings.web_groups_header,
            settings.web_groups,
            settings.web_url,
        )

    @property
    def is_open(self) -> bool:
        """Whether requests need no identity: on loopback, where the machine's own users are trusted."""
        return self.token is None and self.user_header is None

    def admits(self, request: web.Request) -> bool:
        """Whether a request may be answered at all: an open web UI answers this machine only, and no proxy.

        A proxy on this machine would pass on what comes from others, with the addresses of loopback.
        """
        if not self.is_open:
            return True
        transport = request.transport
        ends = [] if transport is None else [transport.get_extra_info(each) for each in ("peername", "sockname")]
        is_local = len(ends) > 0 and all(isinstance(each, tuple) and _is_loopback(each[0]) for each in ends)
        return is_local and not any(name in request.headers for name in _FORWARDED)

    def is_token(self, given: str) -> bool:
        return is_same(given, self.token)

    def is_proxied(self, request: web.Request) -> bool:
        if not self.is_proxy(request.remote or ""):
            return False
        given = request.headers.getall(PROXY_SECRET_HEADER, [])
        return self.proxy_secret is None or (len(given) == 1 and is_same(given[0], self.proxy_secret))

    def is_secure(self, request: web.Request) -> bool:
        forwarded = request.headers.get("X-Forwarded-Proto", "") if self.is_proxied(request) else ""
        return request.secure or forwarded.rpartition(",")[2].strip().lower() == "https"

    def client(self, request: web.Request) -> str:
        """Returns the address of the client: the last in the chain that is not a trusted proxy's."""
        chain = [request.remote or ""]
        if self.is_proxied(request):
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
            chain = [*(each.strip() for each in forwarded.split(",") if each.strip()), *chain]
        return next((each for each in reversed(chain) if not self.is_proxy(each)), chain[0])

    def proxy_user(self, request: web.Request) -> str | None:
        """Returns the name that the proxy gives; of two, one may be the client's own, so that neither counts."""
        if self.user_header is None or not self.is_proxied(request):
            return None
        given = request.headers.getall(self.user_header, [])
        return _readable(given[0]).strip()[:200] or None if len(given) == 1 else None

    def proxy_identity(self, request: web.Request, name: str) -> Identity | None:
        """Returns what a person whom the proxy has logged in may do; None where no group of theirs is named."""
        if self.groups_header is None:
            return Identity(name, "reviewer")
        given = request.headers.getall(self.groups_header, [])
        theirs = {each.strip() for each in _readable(given[0]).split(",")} - {""} if len(given) == 1 else set()
        for group, settings in self.groups.items():
            if group in theirs:
                return Identity(name, settings.role, None if settings.orgs is None else frozenset(settings.orgs))
        return None

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

    def is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.proxies)


def check_access(settings: Settings) -> None:
    """Raises `SettingsError` where other machines could reach the web UI without a token or a proxy that signs in."""
    if Access.of(settings).is_open and not is_loopback(settings.web_host):
        raise SettingsError(
            f"Serving on {settings.web_host} needs CADENCE_SYNC_WEB_TOKEN.",
            hint="Set one, or keep the default host 127.0.0.1.",
        )
    by_proxy = settings.web_user_header is not None
    if by_proxy and not (settings.web_trusted_proxies.strip() and settings.web_url):
        raise SettingsError(
            "CADENCE_SYNC_WEB_USER_HEADER needs CADENCE_SYNC_WEB_TRUSTED_PROXIES and CADENCE_SYNC_WEB_URL.",
            hint="Name the proxy that sets the header, and the address at which people reach the web UI through it.",
        )
    if (settings.web_groups_header is None) == bool(settings.web_groups) or (settings.web_groups and not by_proxy):
        raise SettingsError(
            "CADENCE_SYNC_WEB_GROUPS_HEADER, web_groups and CADENCE_SYNC_WEB_USER_HEADER need each other.",
            hint="Name the header in which the proxy sends groups, and in web_groups what each of them may do.",
        )


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


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def is_same(given: str, secret: str | None) -> bool:
    """Compares in a time that says nothing about the secret; no secret equals nothing."""
    return bool(secret) and hmac.compare_digest(_digest(given), _digest(secret or ""))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


ACCESS: Final = web.AppKey("access", Access)
IDENTITY: Final = web.RequestKey("identity", Identity)


def actor_of(request: web.Request) -> Actor:
    return Actor(request[IDENTITY].name, "web")
