"""Times on the command line: one instant, or one clear sentence."""

from datetime import UTC, datetime

import pytest

from cadence_sync.cli.lookup import parse_period, parse_time
from cadence_sync.errors import ArgumentError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2026-03-01T09:00Z", 9),
        ("2026-03-01T09:00:00+00:00", 9),
        ("2026-03-01 09:00Z", 9),
        ("2026-03-01T09:00+02:00", 7),
        ("2026-03-01T09:00-0300", 12),
        ("now", 12),
    ],
)
def test_a_time_with_a_zone(written: str, hour: int) -> None:
    assert parse_time(written, "--at", NOW) == NOW.replace(hour=hour)


@pytest.mark.parametrize(
    ("written", "sentence", "hint"),
    [
        ("2026-03-01T09:00", "has no time zone", "Write 2026-03-01T09:00Z for UTC"),
        ("2026-03-01T09:00:30.5", "has no time zone", "Write 2026-03-01T09:00:30.500000Z for UTC"),
        ("2026-03-01", "has no time zone", "Write 2026-03-01T00:00Z for UTC"),
        ("yesterday", "is no time", "Write it like 2026-03-01T09:00Z"),
        ("", "is no time", "or `now`"),
        ("2026-02-30T09:00Z", "is no time", "Write it like"),
        ("0001-01-01T00:00+14:00", "is no time", "Write it like"),
        ("2026-03-01T12:00:00.000001Z", "lies in the future", "`now` is the latest"),
        ("9999-12-31T23:59Z", "lies in the future", "`now` is the latest"),
    ],
)
def test_anything_else(written: str, sentence: str, hint: str) -> None:
    with pytest.raises(ArgumentError, match=sentence) as refused:
        parse_time(written, "--at", NOW)
    assert hint in refused.value.hint
    assert (refused.value.exit_code, refused.value.code) == (2, "BAD_TIME")
    assert refused.value.message.startswith(f"--at {written!r}")


def test_a_period_has_an_order() -> None:
    assert parse_period("2026-03-01T09:00Z", "2026-03-01T09:00Z", NOW) == (NOW.replace(hour=9), NOW.replace(hour=9))
    with pytest.raises(ArgumentError, match=r"--from 'now' lies after --to '2026-03-01T09:00Z'"):
        parse_period("now", "2026-03-01T09:00Z", NOW)
