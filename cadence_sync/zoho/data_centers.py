"""Zoho's data centers: an organization exists in one and is known only at its addresses.

Source: Zoho's "Multi-DC" page, as of November 2026.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cadence_sync.config.urls import is_loopback


@dataclass(frozen=True, slots=True)
class Addresses:
    """The token host and the API host; where `api_is_fixed`, the host in a token response is ignored."""

    accounts: str
    api: str
    api_is_fixed: bool = False
    api_domains: tuple[str, ...] = ()
    """Zoho's domains, below which a token response may name another API host, such as that of a sandbox."""

    def trusts(self, api_url: str) -> bool:
        """Whether the access token may be sent to a valid address that a token response names."""
        parts, accounts = urlsplit(api_url), urlsplit(self.accounts)
        host, own = parts.hostname or "", accounts.hostname or ""
        if host == own or (is_loopback(own) and is_loopback(host)):
            return True
        is_zoho = any(f".{host}".endswith(f".{domain}") for domain in self.api_domains)
        return is_zoho and parts.scheme == "https" and parts.port in {None, 443}


def _addresses(accounts: str, *api_domains: str) -> Addresses:
    return Addresses(f"https://{accounts}", f"https://www.{api_domains[0]}", api_domains=api_domains)


DATA_CENTERS: Final[dict[str, Addresses]] = {
    "us": _addresses("accounts.zoho.com", "zohoapis.com"),
    "eu": _addresses("accounts.zoho.eu", "zohoapis.eu"),
    "in": _addresses("accounts.zoho.in", "zohoapis.in"),
    "au": _addresses("accounts.zoho.com.au", "zohoapis.com.au"),
    "jp": _addresses("accounts.zoho.jp", "zohoapis.jp"),
    "cn": _addresses("accounts.zoho.com.cn", "zohoapis.com.cn"),
    "ca": _addresses("accounts.zohocloud.ca", "zohoapis.ca", "zohocloud.ca"),
    "sa": _addresses("accounts.zoho.sa", "zohoapis.sa"),
    "uk": _addresses("accounts.zoho.uk", "zohoapis.uk"),
}


def sites(data_center: str) -> tuple[str, str]:
    """Returns the addresses of the CRM and of the developer console."""
    domain = DATA_CENTERS[data_center].accounts.removeprefix("https://accounts.")
    return f"https://crm.{domain}", f"https://api-console.{domain}"
