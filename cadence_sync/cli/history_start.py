"""Since when organizations are watched: what an answer about an earlier time must say of itself."""

from collections.abc import Mapping
from datetime import datetime

from cadence_sync.cli.output import not_before, show_note
from cadence_sync.errors import ArgumentError

Watched = Mapping[str, datetime | None]


def check_org(watched: Watched, org: str | None) -> None:
    """Refuse an organization that is not stored."""
    if org is not None and org not in watched:
        raise ArgumentError(
            f"There is no organization {org!r}.",
            hint=f"Stored: {', '.join(watched) or 'none yet; run `cadence-sync sync`'}.",
            code="UNKNOWN_ORG",
        )


def unwatched(watched: Watched, org: str | None, at: datetime) -> list[str]:
    """Return the organizations of which nothing is known at that time, and say so on stderr."""
    found = [name for name, since in watched.items() if org in (None, name) and (since is None or at < since)]
    for name in found:
        since = watched[name]
        if since is None:
            show_note(f"The organization {name!r} has not been synced yet: nothing is known of it.")
        else:
            show_note(f"The organization {name!r} is watched since {not_before(since)} UTC: nothing is known before.")
    if not watched:
        show_note("No organization has been synced yet: nothing is known.")
    return found
