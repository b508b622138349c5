"""Releases of Postgres: which are supported, and which minor releases have known vulnerabilities."""

from typing import Final

OLDEST: Final = 150000
"""Postgres 15, as a `server_version_num`."""
NEWEST: Final = 180000
"""Postgres 18: newer ones may do, and no test says so."""
SAFE_MINORS: Final = {15: 19, 16: 15, 17: 11, 18: 6}
"""Major release → its first minor release without CVE-2026-14680: any SQL user runs code as the server's user."""


def upgrade_advice(number: int, readers: int) -> tuple[str, str] | None:
    """Returns a warning and a hint for a server with known vulnerabilities; `readers` are roles besides the owner."""
    major, minor = divmod(number, 10000)
    safe = SAFE_MINORS.get(major)
    if safe is None or minor >= safe:
        return None
    sentence = f"Postgres {major}.{minor} has known vulnerabilities; {major}.{safe} fixes them."
    if readers:
        who = "1 role that reads" if readers == 1 else f"{readers} roles that read"
        sentence += f" Each of the {who} cadence_reporting could run code as the server's user (CVE-2026-14680)."
    return sentence, f"Upgrade the server to {major}.{safe} or later; a minor release needs no dump and no migration."
