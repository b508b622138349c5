"""Which addresses may be used: https everywhere, plain http on loopback only, and PostgreSQL databases."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def checked_web_url(url: str) -> str:
    """Return the URL without its last slash; raises `ValueError` where secrets would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an https:// address")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("plain http is accepted for loopback addresses only; use https")
    if parts.username or parts.password:
        raise ValueError("an address must not hold credentials")
    return url.rstrip("/")


def checked_database_url(url: str) -> str:
    """Return a `postgresql://` URL; raises `ValueError` for any other kind of database."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise ValueError("expected a postgresql:// address")
    return f"postgresql://{rest}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
