"""Cron lines mean what crontab(5) says."""

from datetime import UTC, datetime

import pytest

from cadence_sync.daemon.schedule import cron_trigger

SUNDAY = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)


def days(line: str) -> list[str]:
    """Return the days of a week from Sunday on at which a line fires at midnight."""
    trigger, found, at = cron_trigger(line), list[str](), None
    for _ in range(7):
        at = trigger.get_next_fire_time(at, at or SUNDAY)
        if (at - SUNDAY).days >= 7:
            break
        found.append(f"{at:%a}")
    return found


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("0", "Sun"), ("7", "Sun"), ("1", "Mon"), ("sun", "Sun"), ("MON", "Mon"),
        ("1-5", "Mon Tue Wed Thu Fri"), ("mon-fri", "Mon Tue Wed Thu Fri"),
        ("0,6", "Sun Sat"), ("5-7", "Sun Fri Sat"), ("fri-sun", "Sun Fri Sat"), ("sun-tue", "Sun Mon Tue"),
        ("*/2", "Sun Tue Thu Sat"), ("1-5/2", "Mon Wed Fri"), ("4/1", "Thu Fri Sat"),
        ("*", "Sun Mon Tue Wed Thu Fri Sat"), ("0-7", "Sun Mon Tue Wed Thu Fri Sat"), ("sat-sun", "Sun Sat"),
    ],
)  # fmt: skip
def test_days_of_the_week_are_numbered_as_in_crontab(field: str, expected: str) -> None:
    assert days(f"0 0 * * {field}") == expected.split()


def test_a_line_is_read_in_its_zone_and_summer_time_is_kept() -> None:
    trigger = cron_trigger("0 9 * * *", "Europe/Paris")
    winter, summer = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC)
    fires = [trigger.get_next_fire_time(None, day).astimezone(UTC).hour for day in (winter, summer)]
    assert fires == [8, 7]


@pytest.mark.parametrize(
    "line",
    ["", "every day", "* * * *", "* * * * * *", "60 * * * *", "*/0 * * * *", "0 0 * * 8", "0 0 * * 1-", "0 0 * * 5-2",
     "0 0 * * noday", "0 0 * * mon-", "0 0 31 2 *", "@daily"],
)  # fmt: skip
def test_nonsense_is_no_cron_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        cron_trigger(line)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "../../etc/passwd", "CET+99", "/etc/localtime"])
def test_nonsense_is_no_zone(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        cron_trigger("0 0 * * *", zone)
