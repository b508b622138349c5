"""`org schedule`: the times change, and nothing else."""

import pytest

from cadence_sync.cli.commands.org_schedule import describe_schedule
from cadence_sync.config.orgs import Schedule
from tests.cli.conftest import Program
from tests.cli.test_org_admin import two

__all__ = ["two"]


async def listed(program: Program, org_id: str) -> tuple[object, ...]:
    (row,) = [row for row in (await program.run("org", "list", "--json")).json if row["org_id"] == org_id]
    return row["sync_interval_seconds"], row["sync_cron"], row["time_zone"]


async def test_a_schedule_is_shown_changed_and_given_back(two: Program) -> None:
    assert (await two.run("org", "schedule", "one")).out == "'one' is synced as the settings say.\n"
    changed = await two.run("org", "schedule", "one", "--cron", "0 9 * * 1-5", "--time-zone", "Europe/Paris")
    assert changed.out == "'one' is synced by the cron line '0 9 * * 1-5' in Europe/Paris.\n"
    moved = await two.run("org", "schedule", "one", "--time-zone", "Asia/Tokyo", "--json")
    assert moved.json == {"org_id": "one", "seconds": None, "cron": "0 9 * * 1-5", "time_zone": "Asia/Tokyo"}
    assert await listed(two, "one") == (None, "0 9 * * 1-5", "Asia/Tokyo")
    often = await two.run("org", "schedule", "one", "--interval", "90s")
    assert (often.out, await listed(two, "one")) == ("'one' is synced every 90s.\n", (90, None, None))
    assert (await two.run("org", "schedule", "one", "--default")).code == 0
    assert await listed(two, "one") == await listed(two, "two") == (None, None, None)


async def test_a_schedule_that_makes_no_sense_changes_nothing(two: Program) -> None:
    for options, words in (
        (["--cron", "soon"], "cron 'soon' cannot work"),
        (["--time-zone", "Europe/Paris"], "needs a cron line"),
        (["--interval", "5m", "--default"], "--default"),
    ):
        result = await two.run("org", "schedule", "one", *options)
        assert (result.code, result.out, words in result.err) == (2, "", True)
    assert await listed(two, "one") == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "words"), [(300.0, "5m"), (7200.0, "2h"), (86400.0, "1d"), (90.0, "90s"), (1.5, "1.5s")]
)
def test_an_interval_in_words(seconds: float, words: str) -> None:
    assert describe_schedule(Schedule(seconds)) == f"every {words}"
