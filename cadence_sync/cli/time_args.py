"""Times on the command line: each names one instant, or is refused with the spelling that would."""

from datetime import UTC, datetime
from typing import Final

from cadence_sync.errors import ArgumentError

_SPELLING: Final = "Write it like 2026-03-01T09:00Z or 2026-03-01T09:00+02:00, or `now`."


def moment(written: str, option: str, now: datetime) -> datetime:
    """Return the instant that an option names; one that nothing can be known of yet is refused."""
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


def period(from_: str, to: str, now: datetime) -> tuple[datetime, datetime]:
    """Return two instants in their order."""
    begins, ends = moment(from_, "--from", now), moment(to, "--to", now)
    if begins > ends:
        raise ArgumentError(
            f"--from {from_!r} lies after --to {to!r}.", hint="Give the earlier time to --from.", code="BAD_TIME"
        )
    return begins, ends
