"""Valid addresses: https everywhere, plain http on loopback only, and PostgreSQL databases."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

DATABASE_WORDS: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
    "gsslib": ("gssapi", "sspi"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
}
"""Allowed values of those parameters of a database's address that are words."""

WIDEST_NETWORK: Final = {4: 8, 6: 16}
"""Shortest prefix of a network whose members are believed, by the version of IP."""


def checked_web_url(url: str) -> str:
    """Returns the URL without its last slash; raises `ValueError` where secrets would travel in the clear."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("expected an https:// address") from error
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not _is_host(host) or not _has_valid_port(parts):
        raise ValueError("expected an https:// address")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is accepted for loopback addresses only; use https")
    if parts.username or parts.password:
        raise ValueError("an address must not hold credentials")
    return url.rstrip("/")


def checked_database_url(url: str) -> str:
    """Returns a `postgresql://` URL; raises `ValueError` for any other kind of database."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise ValueError("expected a postgresql:// address")
    if any(char.isspace() for char in rest) or not _names_valid_ports(rest):
        raise ValueError("expected a postgresql:// address with valid ports and no white space")
    checked = f"postgresql://{rest}"
    _check_parameters(checked)
    return checked


def remote_hosts(url: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Returns the `sslmode` of a database's URL, and those of its hosts that are neither loopback nor a socket."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    named = parts.netloc.rpartition("@")[2] or query.get("host") or environ.get("PGHOST", "")
    hosts = [urlsplit(f"//{each}").hostname or "" for each in named.split(",") if not each.startswith("/")]
    mode = (query.get("sslmode") or environ.get("PGSSLMODE") or "prefer").replace("_", "-")
    return mode, [host for host in hosts if host and not is_loopback(host)]


def _check_parameters(url: str) -> None:
    """Refuses what the driver would, with the name of the parameter but not its value: that may be a secret."""
    try:
        query = urlsplit(url).query
        parameters = parse_qsl(query, strict_parsing=True) if query else []
    except ValueError as error:
        raise ValueError("expected name=value after the question mark; one in a password is written %3F") from error
    for name, value in parameters:
        words = DATABASE_WORDS.get(name)
        spelled = value.replace("_", "-") if name == "sslmode" else value  # as the driver reads it
        if words is not None and spelled not in words:
            raise ValueError(f"expected one of {', '.join(words)} as {name}")
        if name == "port" and not all(port.isdecimal() for port in value.split(",")):
            raise ValueError("expected a number as port")


def checked_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Returns addresses and networks, separated by commas; raises `ValueError`."""
    try:
        networks = tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise ValueError("expected addresses or networks, such as 127.0.0.1,10.0.0.0/8") from error
    if any(each.prefixlen < WIDEST_NETWORK[each.version] for each in networks):
        raise ValueError("a network that wide holds strangers; name the proxies, such as 10.0.0.0/8 or narrower")
    return networks


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_host(name: str) -> bool:
    if not name or any(char.isspace() for char in name):
        return False
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _names_valid_ports(rest: str) -> bool:
    """Checks every host of `user:password@host:port,host:port/database?…`."""
    hosts = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    try:
        return all(_has_valid_port(urlsplit(f"//{host}")) for host in hosts.split(","))
    except ValueError:  # a bracket of an IPv6 address that is not closed
        return False
