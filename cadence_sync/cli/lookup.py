"""Resolves arguments to instants, organizations, and cadences."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cadence_sync.cli.console import show_note
from cadence_sync.core.labels import one_line
from cadence_sync.db.engine import Engine
from cadence_sync.db.queries import current
from cadence_sync.db.queries.history import find_unwatched
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import ArgumentError, NotFoundError

_SPELLING: Final = "Write it like 2026-03-01T09:00Z or 2026-03-01T09:00+02:00, or `now`."
Watched = Mapping[str, datetime | None]
"""Organization → start of its history, None before its first sync."""


def parse_time(written: str, option: str, now: datetime) -> datetime:
    """Returns the instant in UTC; raises `ArgumentError` for a future time or one without a time zone."""
    if written == "now":
        return now
    try:
        named = datetime.fromisoformat(written)
        if named.tzinfo is None:
            in_utc = f"{named.isoformat(timespec='auto' if named.second else 'minutes')}Z"
            raise ArgumentError(
                f"{option} {written!r} has no time zone.",
                hint=f"Write {in_utc} for UTC, or another offset, like +02:00, in place of the Z.",
                code="BAD_TIME",
            )
        named = named.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{option} {written!r} is no time.", hint=_SPELLING, code="BAD_TIME") from error
    if named > now:
        raise ArgumentError(
            f"{option} {written!r} lies in the future.",
            hint="Nothing is known of it yet; `now` is the latest.",
            code="BAD_TIME",
        )
    return named


def parse_period(from_: str, to: str, now: datetime) -> tuple[datetime, datetime]:
    """Returns the instants of --from and --to; raises `ArgumentError` if they are out of order."""
    begins, ends = parse_time(from_, "--from", now), parse_time(to, "--to", now)
    if begins > ends:
        raise ArgumentError(
            f"--from {from_!r} lies after --to {to!r}.", hint="Give the earlier time to --from.", code="BAD_TIME"
        )
    return begins, ends


def not_before(time: datetime) -> str:
    """Renders a time rounded up to a whole second, so that it is valid as an argument."""
    return one_line(time if time.microsecond == 0 else time.replace(microsecond=0) + timedelta(seconds=1))


def check_org(watched: Watched, org: str | None) -> None:
    if org is not None and org not in watched:
        raise ArgumentError(
            f"There is no organization {org!r}.",
            hint=f"Stored: {', '.join(watched) or 'none yet; run `cadence-sync sync`'}.",
            code="UNKNOWN_ORG",
        )


def note_unwatched(watched: Watched, org: str | None, at: datetime) -> list[str]:
    """Returns organizations whose history starts after that time, and prints a note about them to stderr."""
    found = find_unwatched(watched, org, at)
    for name, since in found.items():
        if since is None:
            show_note(f"The organization {name!r} has not been synced yet: nothing is known of it.")
        else:
            show_note(f"The organization {name!r} is watched since {not_before(since)} UTC: nothing is known before.")
    if not watched:
        show_note("No organization has been synced yet: nothing is known.")
    return list(found)


async def find_one_cadence(engine: Engine, org_id: str | None, cadence_id: str) -> dict[str, Any]:
    """Returns the current row of a cadence; raises `NotFoundError` unless exactly one matches."""
    # Bytes that are not UTF-8 arrive as halves of surrogate pairs, which Postgres cannot be asked for.
    is_text = not any("\ud800" <= char <= "\udfff" for char in f"{cadence_id}{org_id}")
    rows = await current.find_cadence(engine, OrgScope(org_id), cadence_id) if is_text else []
    if not rows:
        where = "" if org_id is None else f" in the organization {org_id!r}"
        raise NotFoundError(
            f"There is no cadence {cadence_id!r}{where}.", hint="`cadence-sync list --deleted` lists all."
        )
    if len(rows) > 1:
        orgs = ", ".join(row["org_id"] for row in rows)
        raise NotFoundError(f"Several organizations have a cadence {cadence_id!r}: {orgs}.", hint="Add --org.")
    return rows[0]
