"""What the views of single cadences say, case by case; `cadences_as_of` and `cadence_diff` have tests of their own."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cadence_sync.errors import AccessError
from tests.reporting.looks import EVERY, RULES, at, counts, edited, every, look, read
from tests.support.lab import START, Lab, WrittenSource
from tests.support.records import record

# Comments ---------------------------------------------------------------------------------------------------------


async def test_every_object_and_every_column_is_explained(lab: Lab) -> None:
    bare = await lab.rows("""
        SELECT c.relname AS name, a.attname AS part FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT c.relname, NULL FROM pg_class AS c
        WHERE c.relnamespace = 'cadence_reporting'::regnamespace AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT p.proname, '()' FROM pg_proc AS p
        WHERE p.pronamespace = 'cadence_reporting'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
    """)
    assert bare == []
    views = await lab.rows("SELECT viewname FROM pg_views WHERE schemaname = 'cadence_reporting'")
    assert len(views) == 19


# current_cadences -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "period", "words"),
    [
        (1, "hours", "every hour"),
        (1, "days", "every day"),
        (3, "weeks", "every 3 weeks"),
        (None, "immediately", "immediately"),
        (1, "immediately", "immediately"),
        (None, None, None),
    ],
)
async def test_the_interval_in_words(lab: Lab, unit: int | None, period: str, words: str | None) -> None:
    await lab.sync(record("1", execution_details=every(unit, period)))
    for view in ("current_cadences", "cadence_history"):
        assert await read(lab, "execution_interval", view) == [(words,)]


@pytest.mark.parametrize(
    ("summary", "total"),
    [
        (counts(1, 2, 3), 6),
        (counts(1, 2, 3, whatsapp_follow_up_count=4), 10),
        (counts(1, None, None), 1),
        (counts(0, 0, 0), 0),
        (counts(None, None, None), None),
        (None, None),
    ],
)
async def test_all_follow_ups_together(lab: Lab, summary: dict[str, Any] | None, total: int | None) -> None:
    """No counts are not the same as none: nobody knows how many there are."""
    await lab.sync(record("1", summary=summary), record("2"))
    for view in ("current_cadences", "cadence_history"):
        assert await read(lab, "follow_up_count", f"{view} WHERE cadence_id = '1'") == [(total,)]
    without_steps = await read(lab, "cadence_id", "cadences_without_steps")
    assert without_steps == ([("1",)] if total == 0 else [])


async def test_ages_are_whole_days(lab: Lab) -> None:
    now = (await lab.row("SELECT now() AS now"))["now"]
    ago = {name: (now - timedelta(days=days, hours=2)).isoformat() for name, days in (("old", 400), ("new", 30))}
    lab.clock.time = now
    await lab.sync(record("1", created_time=ago["old"], modified_time=ago["new"]))
    assert await read(lab, "age_days, days_since_change", "current_cadences") == [(400, 30)]


async def test_the_last_change_is_zohos_word_until_one_is_seen(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2", modified_time=None), record("3"))
    await look(lab, "2026-02-02 06:00:00", record("1"), record("2", modified_time=None), record("3", name="New"))
    expected = [
        ("1", at("2024-07-18 06:01:40")),
        ("2", at("2024-07-18 03:38:22")),
        ("3", at("2026-02-02 06:00:00")),
    ]
    for view in ("current_cadences", "cadence_history WHERE is_newest"):
        assert await read(lab, "cadence_id, last_changed_at", f"{view} ORDER BY 1") == expected


@pytest.mark.parametrize(
    ("rules", "kind", "day"),
    [
        ({"type": "date", "end_date": "2026-12-31"}, "date", date(2026, 12, 31)),
        ({"type": "respond_email", "end_date": ""}, "respond_email", None),
        (RULES, "multiple", date(2026, 12, 31)),
        (RULES[:1], "respond_email", None),
        (RULES[1:], "end_date", date(2026, 12, 31)),
        ([{"type": "end_date", "details": {"end_date": "2026-12-31T23:00:00-08:00"}}], "end_date", date(2026, 12, 31)),
        (None, None, None),
    ],
)
async def test_how_records_leave(lab: Lab, rules: object, kind: str | None, day: date | None) -> None:
    await lab.sync(record("1", execution_details=EVERY | {"unenroll_properties": rules}))
    for view in ("current_cadences", "cadence_history"):
        assert await read(lab, "unenroll_type, unenroll_end_date", view) == [(kind, day)]


async def test_active_and_unpublished(lab: Lab) -> None:
    states = [(True, True), (True, False), (False, False), (False, True)]
    await lab.sync(*(record(str(n), active=a, published=p) for n, (a, p) in enumerate(states)))
    assert await read(lab, "cadence_id", "active_unpublished_cadences") == [("1",)]


async def test_stale_is_what_has_not_changed_for_a_year(lab: Lab) -> None:
    now = (await lab.row("SELECT now() AS now"))["now"]
    lab.clock.time = now
    times = {"1": now - timedelta(days=370), "2": now - timedelta(days=360)}
    records = [record(number, modified_time=when.isoformat()) for number, when in times.items()]
    await lab.sync(*records, record("3"))
    await lab.sync(*records, record("3", name="Touched"))
    assert await read(lab, "cadence_id, days_since_change", "stale_cadences") == [("1", 370)]


# cadence_history and change_log -----------------------------------------------------------------------------------


async def test_the_history_says_what_changed_and_who_did_it(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    await look(lab, "2026-02-02 06:00:00", edited("2026-02-01 12:00:00", name="A", description=None))
    await look(lab, "2026-02-03 06:00:00", edited("2026-02-02 12:00:00", name="A", description="Known", active=False))
    await look(lab, "2026-02-04 06:00:00", edited("2026-02-03 12:00:00", name="A", description="Known", active=False))
    await look(lab, "2026-02-05 06:00:00", edited("2026-02-03 12:00:00", name="B", description=None, active=False))
    await look(lab, "2026-02-06 06:00:00", record("2"))
    await look(lab, "2026-02-07 06:00:00", edited("2026-02-06 12:00:00", name="C"), record("2"))
    rows = await read(
        lab, "kind, what_changed, changed_by_name, changed_fields", "cadence_history ORDER BY cadence_id, version"
    )
    edit = ["modified_by.id", "modified_time"]
    assert rows == [
        ("baseline", "was there when watching began", None, []),
        ("updated", "name: Welcome → A", "Jan Novak", [*edit, "name"]),
        (
            "updated",
            "active: true → false; description: (none) → Known",
            "Jan Novak",
            ["active", "description", edit[1]],
        ),
        ("updated", "edited, but in no field that the list shows", "Jan Novak", [edit[1]]),
        ("updated", "description: Known → (none); name: A → B", None, ["description", "name"]),
        ("deleted", "deleted", None, []),
        ("restored", "came back after it was deleted", "Jan Novak", []),
        ("created", "created", None, []),
    ]
    log = await read(
        lab, "kind, field, old_value, new_value, cadence_name", "change_log WHERE version > 4 ORDER BY change_id"
    )
    assert log == [
        ("updated", "description", "Known", None, "C"),
        ("updated", "name", "A", "B", "C"),
        ("deleted", "*", None, None, "C"),
        ("restored", "*", None, None, "C"),
    ]


async def test_a_name_that_is_empty_is_null_at_any_time(lab: Lab) -> None:
    await lab.sync(record("1", custom_view={"name": "", "id": "5"}))
    await lab.sync(record("1", custom_view={"name": "", "id": "5"}, name="New"))
    assert await read(lab, "custom_view_name", "cadence_history") == [(None,), (None,)]


async def test_each_state_has_the_names_of_its_time(lab: Lab) -> None:
    """With a deletion Zoho sends nothing: it has the name of today."""
    view = {"id": "5", "name": "Hot"}
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-02 06:00:00", record("1", custom_view=view), record("2"))
    await look(lab, "2026-02-03 06:00:00", record("1", custom_view=view | {"name": "Hotter"}), record("2"))
    await look(lab, "2026-02-04 06:00:00", record("2"))
    await look(lab, "2026-02-05 06:00:00", record("1", custom_view=view | {"name": "Hottest"}), record("2"))
    rows = await read(
        lab, "kind, custom_view_name, is_newest", "cadence_history WHERE cadence_id = '1' ORDER BY version"
    )
    assert rows == [
        ("baseline", "All Contacts", False),
        ("updated", "Hot", False),
        ("deleted", "Hottest", False),
        ("restored", "Hottest", True),
    ]


# daily_snapshots --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2025, 11, 2), 25),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
async def test_a_day_is_one_of_the_session_also_where_clocks_change(lab: Lab, zone: str, day: date, hours: int) -> None:
    """What is so in the last second of a day is not mistaken for what is so in the first of the next."""
    midnight = (await lab.row(f"SELECT timestamp '{day}' AT TIME ZONE '{zone}' AS at"))["at"]
    steps = {"Before": -7200, "Within": 0, "Last": hours * 3600 - 1, "Next": hours * 3600}
    for name, seconds in steps.items():
        await look(lab, f"{midnight + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}", record("1", name=name))
    source = f"daily_snapshots WHERE day <= date '{day}' + 2 ORDER BY day"
    assert await read(lab, "day, name, observed", source, zone) == [
        (day - timedelta(days=1), "Before", True),
        (day, "Last", True),
        (day + timedelta(days=1), "Next", True),
        (day + timedelta(days=2), "Next", False),
    ]


@pytest.mark.parametrize(
    ("day", "hours", "observed"),
    [
        (date(2026, 3, 29), 22.5, [True, False]),
        (date(2026, 3, 29), 23.5, [False, True]),
        (date(2026, 10, 25), 24.5, [True, False]),
        (date(2026, 10, 25), 25.5, [False, True]),
    ],
)
async def test_a_run_is_one_of_the_sessions_day(lab: Lab, day: date, hours: float, observed: list[bool]) -> None:
    midnight = (await lab.row(f"SELECT timestamp '{day}' AT TIME ZONE 'Europe/Berlin' AS at"))["at"]
    for after in (-12, hours):
        await look(lab, f"{midnight + timedelta(hours=after):%Y-%m-%d %H:%M:%S}", record("1"))
    source = f"daily_snapshots WHERE day IN (date '{day}', date '{day}' + 1) ORDER BY day"
    assert await read(lab, "observed", source, "Europe/Berlin") == [(each,) for each in observed]


async def test_one_row_a_cadence_and_day_from_the_first_to_today(lab: Lab) -> None:
    today = (await lab.row("SELECT (now() AT TIME ZONE 'UTC')::date AS today"))["today"]
    first = today - timedelta(days=4)
    lab.clock.time = datetime.combine(first, START.time(), UTC)
    for name in ("A", "B", "C"):
        await lab.sync(record("1", name=name), record("2"))
    rows = await read(lab, "day, cadence_id, name, version", "daily_snapshots ORDER BY cadence_id, day")
    days = [first + timedelta(days=n) for n in range(5)]
    assert rows == [*((d, "1", "C", 3) for d in days), *((d, "2", "Welcome", 1) for d in days)]


async def test_a_deleted_cadence_has_no_days_until_it_is_back(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-03 06:00:00", record("2"))
    await look(lab, "2026-02-05 06:00:00", record("1"), record("2"))
    days = await read(lab, "day", "daily_snapshots WHERE cadence_id = '1' AND day < '2026-02-07' ORDER BY day")
    assert [row[0].day for row in days] == [1, 2, 5, 6]


async def test_a_day_on_which_every_run_failed_was_not_looked_at(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    lab.clock.time = at("2026-02-02 06:00:00")
    await lab.syncing(WrittenSource(b"", lab.clock, AccessError("Refused."))).run("test")
    await look(lab, "2026-02-03 06:00:00", record("1"))
    days = await read(lab, "day, observed", "daily_snapshots WHERE day < '2026-02-05' ORDER BY day")
    assert [(day.day, observed) for day, observed in days] == [(1, True), (2, False), (3, True), (4, False)]
