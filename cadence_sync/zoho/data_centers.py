"""Zoho's data centers: an organization exists in one and is known only at its addresses.

Source: Zoho's "Multi-DC" page, as of November 2026.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Addresses:
    """The token host and the API host; where `api_is_fixed`, the host in a token response is ignored."""

    accounts: str
    api: str
    api_is_fixed: bool = False


DATA_CENTERS: Final[dict[str, Addresses]] = {
    "us": Addresses("https://accounts.zoho.com", "https://www.zohoapis.com"),
    "eu": Addresses("https://accounts.zoho.eu", "https://www.zohoapis.eu"),
    "in": Addresses("https://accounts.zoho.in", "https://www.zohoapis.in"),
    "au": Addresses("https://accounts.zoho.com.au", "https://www.zohoapis.com.au"),
    "jp": Addresses("https://accounts.zoho.jp", "https://www.zohoapis.jp"),
    "cn": Addresses("https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"),
    "ca": Addresses("https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
    "sa": Addresses("https://accounts.zoho.sa", "https://www.zohoapis.sa"),
    "uk": Addresses("https://accounts.zoho.uk", "https://www.zohoapis.uk"),
}


def sites(data_center: str) -> tuple[str, str]:
    """Returns the addresses of the CRM and of the developer console."""
    domain = DATA_CENTERS[data_center].accounts.removeprefix("https://accounts.")
    return f"https://crm.{domain}", f"https://api-console.{domain}"
