"""The hosts of each data center; web pages and accounts host share their domain."""

from typing import Final
from urllib.parse import urlsplit

from cadence_sync.zoho.data_centers import DATA_CENTERS
from tools.reference.markdown import table

PLACES: Final = {
    "us": "United States",
    "eu": "Europe",
    "in": "India",
    "au": "Australia",
    "jp": "Japan",
    "cn": "China",
    "ca": "Canada",
    "sa": "Saudi Arabia",
    "uk": "United Kingdom",
}


def hosts_table() -> str:
    rows = []
    for name, addresses in DATA_CENTERS.items():
        accounts, api = (urlsplit(url).netloc for url in (addresses.accounts, addresses.api))
        ending = accounts.removeprefix("accounts.")
        console = f"<https://api-console.{ending}>"
        rows.append([f"`{name}`", PLACES[name], f"`crm.{ending}`", console, f"`{accounts}`", f"`{api}`"])
    return table(("data center", "where", "Zoho CRM", "API console", "tokens", "API"), rows)
