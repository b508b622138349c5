"""When an organization is due, from what is known of its last runs."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.daemon.schedule import DAY, OrgSchedule, checked_cron_trigger, org_schedules
from cadence_sync.db.orgs import OrgRow
from cadence_sync.errors import SettingsError

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
AGO = timedelta(minutes=5)


def schedule(
    consecutive_failures: int = 0, last: datetime | None = NOW - AGO, seconds: float = 900, cron: str | None = None
) -> OrgSchedule:
    trigger = None if cron is None else checked_cron_trigger(cron, "Europe/Berlin")
    row = OrgRow("a", "us", consecutive_failures=consecutive_failures, last_run_at=last)
    return OrgSchedule(row, seconds, trigger)


def test_one_that_never_ran_is_due_at_once_and_a_late_one_too() -> None:
    assert schedule(last=None).next_after(NOW) == NOW
    assert schedule(last=NOW - timedelta(days=3)).next_after(NOW) == NOW
    assert schedule().next_after(NOW) == NOW - AGO + timedelta(seconds=900)


@pytest.mark.parametrize(
    ("consecutive_failures", "seconds", "pause"),
    [(0, 900, 900), (1, 900, 1800), (3, 900, 7200), (20, 900, DAY), (1, 5, 120), (2, 5, 240), (3, 2 * DAY, 2 * DAY)],
)
def test_each_failure_doubles_the_pause_up_to_a_day(consecutive_failures: int, seconds: float, pause: float) -> None:
    one = schedule(consecutive_failures, NOW, seconds)
    assert one.pause == pause
    assert one.next_after(NOW) == NOW + timedelta(seconds=pause)


def test_a_cron_line_has_its_own_zone_also_when_clocks_change() -> None:
    """On 29 March clocks in Berlin go forward at 2: a job of 2:30 takes place an hour later, once."""
    nightly = schedule(cron="30 2 * * *", last=datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN))
    due = nightly.next_after(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert due.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert schedule(cron="30 2 * * *", last=None).next_after(NOW).astimezone(BERLIN).hour == 2


def test_a_cron_line_that_was_missed_is_made_up_for_and_failures_are_waited_for() -> None:
    line = "0 * * * *"
    assert schedule(cron=line, last=NOW - timedelta(hours=5)).next_after(NOW) == NOW
    assert schedule(6, cron=line, last=NOW).next_after(NOW) == NOW + timedelta(hours=2)


def test_a_time_that_is_past_for_longer_than_the_grace_is_left_out() -> None:
    nightly = schedule(cron="0 2 * * *", last=NOW - timedelta(days=20))
    assert nightly.next_after(NOW, grace=DAY) == NOW
    assert nightly.next_after(NOW, grace=3600).astimezone(BERLIN) == datetime(2026, 3, 3, 2, tzinfo=BERLIN)


def test_a_last_run_that_is_still_to_come_is_that_of_a_clock_ahead() -> None:
    ahead = NOW + timedelta(days=30)
    assert schedule(last=ahead).next_after(NOW) == NOW + timedelta(seconds=900)
    assert schedule(last=ahead, cron="0 * * * *").next_after(NOW) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("line", "hours"), [("*/15 * * * *", 0.25), ("0 * * * *", 1), ("0 9 * * 1-5", 72), ("0 9 1 * *", 30 * 24 + 7)]
)
def test_the_longest_pause_of_a_cron_line(line: str, hours: float) -> None:
    """It is that of the week from midnight on, looked at every hour; the last line is due in April."""
    assert schedule(cron=line).max_interval(NOW) == pytest.approx(hours * 3600, abs=3600)
    assert schedule(seconds=7).max_interval(NOW) == 7


def test_another_run_is_no_other_plan() -> None:
    assert schedule(cron="0 * * * *").same_schedule(schedule(cron="0 * * * *", last=NOW))
    assert schedule().same_schedule(schedule(last=NOW))
    assert not schedule().same_schedule(schedule(1))
    assert not schedule().same_schedule(schedule(seconds=60))
    assert not schedule(cron="0 * * * *").same_schedule(schedule())


def test_what_settings_and_database_say_of_organizations() -> None:
    def row(
        org_id: str, *, enabled: bool = True, removed: bool = False, stored: bool = False, cron: str | None = None
    ) -> OrgRow:
        seconds, removed_at, stored_at = 60.0 if stored else None, NOW if removed else None, NOW if stored else None
        return OrgRow(org_id, "eu", enabled, seconds, cron, removed_at=removed_at, updated_at=stored_at)

    org = OrgConfig("configured", "us", "id", "secret", "token")
    found = org_schedules(
        Settings(sync_interval="10m"),
        {"configured": org, "both": org, "back": org},
        [
            row("both"),
            row("stored", stored=True),
            row("paused", stored=True, enabled=False),
            row("unreachable"),
            row("gone", stored=True, removed=True),
            row("back", removed=True),
            row("nonsense", stored=True, cron="every day"),
        ],
    )
    assert {name: (one.org.data_center, one.seconds, one.org.updated_at) for name, one in found.items()} == {
        "configured": ("us", 600, None),
        "both": ("eu", 600, None),
        "back": ("eu", 600, None),
        "stored": ("eu", 60, NOW),
    }
    by_cron = org_schedules(Settings(sync_cron="0 6 * * *", sync_time_zone="Europe/Berlin"), {"configured": org}, [])
    assert by_cron["configured"].next_after(NOW).astimezone(UTC).hour == 5


@pytest.mark.parametrize(("line", "zone"), [("every day", "UTC"), ("* * * * * *", "UTC"), ("0 0 * * *", "Mars/Base")])
def test_nonsense_is_refused(line: str, zone: str) -> None:
    with pytest.raises(SettingsError, match="cannot work"):
        checked_cron_trigger(line, zone)


def test_one_is_stale_after_three_intervals_or_a_while_after_its_cron_line() -> None:
    least, friday = timedelta(days=1), datetime(2026, 3, 6, 20, tzinfo=UTC)
    often = OrgSchedule(OrgRow("a", "us"), 900)
    assert not often.is_stale(friday, friday + timedelta(hours=24), least)
    assert often.is_stale(friday, friday + timedelta(hours=25), least)
    weekly = OrgSchedule(OrgRow("a", "us"), 7 * 86400)
    assert not weekly.is_stale(friday, friday + timedelta(days=20), least)
    assert weekly.is_stale(friday, friday + timedelta(days=22), least)
    workdays = OrgSchedule(OrgRow("a", "us"), 900, checked_cron_trigger("0 6-20 * * 1-5", "UTC"))
    assert not workdays.is_stale(friday, friday + timedelta(days=3), least)
    assert workdays.is_stale(friday, datetime(2026, 3, 10, 7, tzinfo=UTC), least)
