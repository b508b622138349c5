"""What the views say, case by case; `cadences_as_of` and `cadence_diff` have tests of their own."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cadence_sync.core.guard import Brake
from cadence_sync.db.docket import decide
from cadence_sync.errors import AccessError
from cadence_sync.ports import Org
from cadence_sync.sync import Permits
from tests.support.lab import ORG, START, Lab, WrittenSource
from tests.support.records import RECORD, record, without

LEFT, RIGHT = Org("left", "us"), Org("right", "us")
EVERY: dict[str, Any] = RECORD["execution_details"]
RULES: list[dict[str, Any]] = [
    {"id": "71", "type": "respond_email", "details": None},
    {"id": "72", "type": "end_date", "details": {"unenroll_date": "2026-12-31"}},
]


def at(written: str) -> datetime:
    return datetime.fromisoformat(f"{written}+00:00")


def counts(email: int | None = 0, task: int | None = 0, call: int | None = 0, **others: int) -> dict[str, Any]:
    names = ("email_follow_up_count", "task_follow_up_count", "call_follow_up_count")
    return dict(zip(names, (email, task, call), strict=True)) | others


def every(unit: int | None, period: str) -> dict[str, Any]:
    return EVERY | {"execute_every": {"unit": unit, "period": period}}


def edited(when: str, cadence_id: str = "1", **changes: object) -> dict[str, Any]:
    """Return a record that Jan edited at that time."""
    by = {"name": "Jan Novak", "id": "77"}
    return record(cadence_id, modified_time=f"{when}+00:00", modified_by=by, **changes)


async def look(lab: Lab, when: str, *records: dict[str, Any], org: Org = ORG) -> int:
    """Sync at that time, without a brake on deletions."""
    lab.clock.time = at(when) - timedelta(minutes=1)  # `sync` moves it on by a minute
    report = await lab.sync(*records, org=org, permits=Permits(mass_delete=True, other_org=True))
    assert report.run_id is not None
    assert report.error is None
    return report.run_id


async def told(lab: Lab, columns: str, source: str, zone: str = "UTC") -> list[tuple[Any, ...]]:
    """Return rows of the reporting schema, as a session in that zone sees them."""
    async with lab.engine.connect() as connection:
        await connection.execute(text(f"SET timezone = '{zone}'"))
        return [
            tuple(row) for row in await connection.execute(text(f"SELECT {columns} FROM cadence_reporting.{source}"))
        ]


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
    assert len(views) == 15


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
        assert await told(lab, "execution_interval", view) == [(words,)]


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
        assert await told(lab, "follow_up_count", f"{view} WHERE cadence_id = '1'") == [(total,)]
    without_steps = await told(lab, "cadence_id", "cadences_without_steps")
    assert without_steps == ([("1",)] if total == 0 else [])


async def test_ages_are_whole_days(lab: Lab) -> None:
    now = (await lab.row("SELECT now() AS now"))["now"]
    ago = {name: (now - timedelta(days=days, hours=2)).isoformat() for name, days in (("old", 400), ("new", 30))}
    lab.clock.time = now
    await lab.sync(record("1", created_time=ago["old"], modified_time=ago["new"]))
    assert await told(lab, "age_days, days_since_change", "current_cadences") == [(400, 30)]


async def test_the_last_change_is_zohos_word_until_one_is_seen(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2", modified_time=None), record("3"))
    await look(lab, "2026-02-02 06:00:00", record("1"), record("2", modified_time=None), record("3", name="New"))
    expected = [
        ("1", at("2024-07-18 06:01:40")),
        ("2", at("2024-07-18 03:38:22")),
        ("3", at("2026-02-02 06:00:00")),
    ]
    for view in ("current_cadences", "cadence_history WHERE is_newest"):
        assert await told(lab, "cadence_id, last_changed_at", f"{view} ORDER BY 1") == expected


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
        assert await told(lab, "unenroll_type, unenroll_end_date", view) == [(kind, day)]


async def test_active_and_unpublished(lab: Lab) -> None:
    states = [(True, True), (True, False), (False, False), (False, True)]
    await lab.sync(*(record(str(n), active=a, published=p) for n, (a, p) in enumerate(states)))
    assert await told(lab, "cadence_id", "active_unpublished_cadences") == [("1",)]


async def test_stale_is_what_has_not_changed_for_a_year(lab: Lab) -> None:
    now = (await lab.row("SELECT now() AS now"))["now"]
    lab.clock.time = now
    times = {"1": now - timedelta(days=370), "2": now - timedelta(days=360)}
    records = [record(number, modified_time=when.isoformat()) for number, when in times.items()]
    await lab.sync(*records, record("3"))
    await lab.sync(*records, record("3", name="Touched"))
    assert await told(lab, "cadence_id, days_since_change", "stale_cadences") == [("1", 370)]


# cadence_history and change_log -----------------------------------------------------------------------------------


async def test_the_history_says_what_changed_and_who_did_it(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    await look(lab, "2026-02-02 06:00:00", edited("2026-02-01 12:00:00", name="A", description=None))
    await look(lab, "2026-02-03 06:00:00", edited("2026-02-02 12:00:00", name="A", description="Told", active=False))
    await look(lab, "2026-02-04 06:00:00", edited("2026-02-03 12:00:00", name="A", description="Told", active=False))
    await look(lab, "2026-02-05 06:00:00", edited("2026-02-03 12:00:00", name="B", description=None, active=False))
    await look(lab, "2026-02-06 06:00:00", record("2"))
    await look(lab, "2026-02-07 06:00:00", edited("2026-02-06 12:00:00", name="C"), record("2"))
    rows = await told(
        lab, "kind, what_changed, changed_by_name, changed_fields", "cadence_history ORDER BY cadence_id, version"
    )
    edit = ["modified_by.id", "modified_time"]
    assert rows == [
        ("baseline", "was there when watching began", None, []),
        ("updated", "name: Welcome → A", "Jan Novak", [*edit, "name"]),
        (
            "updated",
            "active: true → false; description: (none) → Told",
            "Jan Novak",
            ["active", "description", edit[1]],
        ),
        ("updated", "edited, but in no field that the list shows", "Jan Novak", [edit[1]]),
        ("updated", "description: Told → (none); name: A → B", None, ["description", "name"]),
        ("deleted", "deleted", None, []),
        ("restored", "came back after it was deleted", "Jan Novak", []),
        ("created", "created", None, []),
    ]
    log = await told(
        lab, "kind, field, old_value, new_value, cadence_name", "change_log WHERE version > 4 ORDER BY change_id"
    )
    assert log == [
        ("updated", "description", "Told", None, "C"),
        ("updated", "name", "A", "B", "C"),
        ("deleted", "*", None, None, "C"),
        ("restored", "*", None, None, "C"),
    ]


async def test_a_name_that_is_empty_is_null_at_any_time(lab: Lab) -> None:
    await lab.sync(record("1", custom_view={"name": "", "id": "5"}))
    await lab.sync(record("1", custom_view={"name": "", "id": "5"}, name="New"))
    assert await told(lab, "custom_view_name", "cadence_history") == [(None,), (None,)]


async def test_each_state_has_the_names_of_its_time(lab: Lab) -> None:
    """With a deletion Zoho sends nothing: it has the name of today."""
    view = {"id": "5", "name": "Hot"}
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-02 06:00:00", record("1", custom_view=view), record("2"))
    await look(lab, "2026-02-03 06:00:00", record("1", custom_view=view | {"name": "Hotter"}), record("2"))
    await look(lab, "2026-02-04 06:00:00", record("2"))
    await look(lab, "2026-02-05 06:00:00", record("1", custom_view=view | {"name": "Hottest"}), record("2"))
    rows = await told(
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
    assert await told(lab, "day, name, observed", source, zone) == [
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
    assert await told(lab, "observed", source, "Europe/Berlin") == [(each,) for each in observed]


async def test_one_row_a_cadence_and_day_from_the_first_to_today(lab: Lab) -> None:
    today = (await lab.row("SELECT (now() AT TIME ZONE 'UTC')::date AS today"))["today"]
    first = today - timedelta(days=4)
    lab.clock.time = datetime.combine(first, START.time(), UTC)
    for name in ("A", "B", "C"):
        await lab.sync(record("1", name=name), record("2"))
    rows = await told(lab, "day, cadence_id, name, version", "daily_snapshots ORDER BY cadence_id, day")
    days = [first + timedelta(days=n) for n in range(5)]
    assert rows == [*((d, "1", "C", 3) for d in days), *((d, "2", "Welcome", 1) for d in days)]


async def test_a_deleted_cadence_has_no_days_until_it_is_back(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-03 06:00:00", record("2"))
    await look(lab, "2026-02-05 06:00:00", record("1"), record("2"))
    days = await told(lab, "day", "daily_snapshots WHERE cadence_id = '1' AND day < '2026-02-07' ORDER BY day")
    assert [row[0].day for row in days] == [1, 2, 5, 6]


async def test_a_day_on_which_every_run_failed_was_not_looked_at(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    lab.clock.time = at("2026-02-02 06:00:00")
    await lab.syncing(WrittenSource(b"", lab.clock, AccessError("Refused."))).run("test")
    await look(lab, "2026-02-03 06:00:00", record("1"))
    days = await told(lab, "day, observed", "daily_snapshots WHERE day < '2026-02-05' ORDER BY day")
    assert [(day.day, observed) for day, observed in days] == [(1, True), (2, False), (3, True), (4, False)]


# Freshness, held and unreadable -----------------------------------------------------------------------------------


async def test_a_failed_run_makes_nothing_fresher(lab: Lab) -> None:
    good = await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-01 07:00:00", record("1"))
    lab.clock.time = at("2026-02-02 06:00:00")
    await lab.syncing(WrittenSource(b"", lab.clock, AccessError("Refused.", code="ACCESS"))).run("test")
    columns = "watched_since, observed_at, last_success_at, last_run_id, last_started_at, last_outcome, last_error_code"
    rows = await told(lab, f"{columns}, last_error_message, live, deleted", "sync_freshness")
    walked, failed = at("2026-02-01 07:00:00"), at("2026-02-02 06:00:00")
    assert rows == [(at("2026-02-01 06:00:00"), walked, walked, good + 2, failed, "failed", "ACCESS", "Refused.", 1, 1)]
    (row,) = await lab.rows(
        "SELECT age, age_seconds, now() - last_success_at AS waited FROM cadence_reporting.sync_freshness"
    )
    assert row["age"] == row["waited"]
    assert row["age_seconds"] == round(row["waited"].total_seconds())


async def test_an_organisation_that_never_worked_is_listed_too(lab: Lab) -> None:
    await lab.syncing(WrittenSource(b"", lab.clock, AccessError("Refused."))).run("test")
    assert await told(lab, "org_id, watched_since, age, last_outcome, live, quarantined", "sync_freshness") == [
        ("default", None, None, "failed", 0, 0)
    ]


async def test_what_is_held_and_what_a_person_decided(lab: Lab) -> None:
    records = [record(str(n), name=f"Name {n}") for n in range(4)]
    brake = Permits(brake=Brake(floor=1, percent=0))
    await lab.sync(*records)
    report = await lab.sync(*records[2:], permits=brake)
    missed = lab.clock.time
    await lab.sync(*records[2:], permits=brake)
    columns = "cadence_id, name, module_api_name, missing_since, run_id, decision, decided_at"
    assert await told(lab, columns, "held_deletions ORDER BY 1") == [
        (str(n), f"Name {n}", "Contacts", missed, report.run_id, None, None) for n in (0, 1)
    ]
    assert await told(lab, "last_outcome, live, held, missing", "sync_freshness") == [("held", 4, 2, 0)]
    assert report.run_id is not None
    await decide(lab.engine, report.run_id, "rejected", "ana")
    rows = await told(lab, "decision, decided_at IS NOT NULL", "held_deletions")
    assert rows == [("rejected", True)] * 2
    rows = await told(lab, "run_id, decision, decided_by, cadences", "deletion_decisions")
    assert rows == [(report.run_id, "rejected", "ana", 2)]
    assert await told(lab, "live, held, missing", "sync_freshness") == [(4, 0, 2)]


async def test_what_could_not_be_read(lab: Lab) -> None:
    bad = record("1", summary=counts() | {"call_follow_up_count": "two"})
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    first = await look(lab, "2026-02-02 06:00:00", record("2"), bad)
    reason = "summary.call_follow_up_count: expected a whole number, got text"
    columns = "run_id, observed_at, position, cadence_id, name, reason"
    rows = await told(lab, columns, "quarantined_records")
    assert rows == [(first, at("2026-02-02 06:00:00"), 1, "1", "Welcome", reason)]
    assert await told(lab, "last_outcome, quarantined, live", "sync_freshness") == [("partial", 1, 2)]
    await look(lab, "2026-02-03 06:00:00", record("1"), record("2"))
    assert await told(lab, "last_outcome, quarantined, live", "sync_freshness") == [("succeeded", 0, 2)]


async def test_a_run_says_what_it_did(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"), record("3"))
    await lab.sync(record("1", name="New"), record("3"), record("4"))
    await lab.sync(record("1", name="New"), record("2"), record("3"), record("4"))
    columns = "outcome, seen, baseline, created, updated, deleted, restored, unchanged, quarantined, held"
    assert await told(lab, columns, "sync_runs ORDER BY run_id") == [
        ("succeeded", 3, 3, 0, 0, 0, 0, 0, 0, 0),
        ("succeeded", 3, 0, 1, 1, 1, 0, 1, 0, 0),
        ("succeeded", 4, 0, 0, 0, 0, 1, 3, 0, 0),
    ]


# Sums -------------------------------------------------------------------------------------------------------------


async def test_changes_by_person_and_week(lab: Lab) -> None:
    """The first edit is of Sunday in UTC and of Monday in Berlin."""
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    one = edited("2026-02-01 23:30:00", "1", name="A", active=False)
    await look(lab, "2026-02-02 06:00:00", one, record("2"))
    two = edited("2026-02-03 12:00:00", "2", name="B")
    await look(lab, "2026-02-04 06:00:00", one, two)
    renamed = {"modified_by": {"name": "Jan Horak", "id": "77"}}
    three = edited("2026-02-05 12:00:00", "2", name="C") | renamed
    await look(lab, "2026-02-06 06:00:00", one | renamed, three)
    await look(lab, "2026-02-07 06:00:00", one | renamed | {"name": "Unowned"})
    view = "changes_by_person_and_week ORDER BY week, changed_by_id"
    columns = "week, changed_by_id, changed_by_name, edits, cadences, field_changes"
    assert await told(lab, columns, view) == [
        (date(2026, 1, 26), "77", "Jan Horak", 1, 1, 2),
        (date(2026, 2, 2), "77", "Jan Horak", 2, 1, 2),
        (date(2026, 2, 2), None, None, 2, 2, 1),
    ]
    assert await told(lab, columns, view, "Europe/Berlin") == [
        (date(2026, 2, 2), "77", "Jan Horak", 3, 2, 4),
        (date(2026, 2, 2), None, None, 2, 2, 1),
    ]


async def test_steps_by_module(lab: Lab) -> None:
    deals = {"api_name": "Deals", "id": "9"}
    await lab.sync(
        record("1", summary=counts(1, 2, 3, whatsapp_follow_up_count=1)),
        record("2", summary=counts(1, 0, 0), active=False),
        record("3", summary=None),
        record("4", summary=None, module=deals),
        record("5", summary=counts(5, 5, 5), module=deals),
    )
    await lab.sync(
        record("1", summary=counts(1, 2, 3, whatsapp_follow_up_count=1)),
        record("2", summary=counts(1, 0, 0), active=False),
        record("3", summary=None),
        record("4", summary=None, module=deals),
    )
    columns = "module_api_name, cadences, active_cadences, email_follow_ups, task_follow_ups, call_follow_ups"
    rows = await told(
        lab, f"{columns}, whatsapp_follow_ups, follow_ups, follow_ups_per_cadence::text", "steps_by_module ORDER BY 1"
    )
    assert rows == [("Contacts", 3, 2, 2, 2, 3, 1, 8, "4.00"), ("Deals", 1, 1, 0, 0, 0, 0, 0, None)]


async def test_the_activation_timeline(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2", active=None))
    await look(lab, "2026-02-02 06:00:00", record("1", name="Now"), record("2", active=None))
    off = edited("2026-02-03 12:00:00", name="Now", active=False)
    await look(lab, "2026-02-04 06:00:00", off, record("2", active=None))
    await look(lab, "2026-02-05 06:00:00", record("2", active=None))
    await look(lab, "2026-02-06 06:00:00", off, record("2", active=None))
    columns = "cadence_id, name, state, began_at, ended_at, changed_by_name"
    starts = [at(f"2026-02-{day}") for day in ("01 06:00:00", "03 12:00:00", "05 06:00:00", "06 06:00:00")]
    assert await told(lab, columns, "activation_timeline ORDER BY cadence_id, began_at") == [
        ("1", "Now", "active", starts[0], starts[1], None),
        ("1", "Now", "inactive", starts[1], starts[2], "Jan Novak"),
        ("1", "Now", "deleted", starts[2], starts[3], None),
        ("1", "Now", "inactive", starts[3], None, None),
        ("2", "Welcome", "unknown", starts[0], None, None),
    ]
    lasted = await told(
        lab,
        "lasted, lasted = coalesce(ended_at, now()) - began_at",
        "activation_timeline WHERE cadence_id = '1' ORDER BY began_at",
    )
    assert [same for _, same in lasted] == [True] * 4
    assert lasted[0][0] == timedelta(days=2, hours=6)


# compare_orgs -----------------------------------------------------------------------------------------------------

COMPARED = "name, difference, field, left_value, right_value, left_cadence_id, right_cadence_id"


async def compared(lab: Lab, left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    await lab.sync(*left, org=LEFT)
    await lab.sync(*right, org=RIGHT)
    return await told(lab, COMPARED, "compare_orgs('left', 'right')")


async def test_two_organisations_side_by_side(lab: Lab) -> None:
    """Cadences of one name are paired in the order of their creation; ids, persons and times do not count."""
    other = {
        "module": {"api_name": "Contacts", "id": "901"},
        "custom_view": {"name": "All Contacts", "id": "902"},
        "created_by": {"name": "Ana", "id": "903"},
        "modified_by": {"name": "Ana", "id": "903"},
        "modified_time": "2026-01-01T00:00:00+00:00",
    }
    early, late = ("2025-01-01T00:00:00+00:00", "2025-06-01T00:00:00+00:00")
    rows = await compared(
        lab,
        [
            record("1", name="Twice", created_time=late),
            record("2", name="Twice", created_time=early, active=False),
            record("3", name="Here"),
            record("4", name="Same"),
        ],
        [
            record("11", name="Twice", created_time=early, **other),
            record("12", name="Twice", created_time=late, **other),
            record("13", name="Twice", created_time=late, **other),
            record("14", name="Same", created_time=early, **other),
        ],
    )
    assert rows == [
        ("Here", "only left", "*", None, None, "3", None),
        ("Twice", "differs", "active", "false", "true", "2", "11"),
        ("Twice", "only right", "*", None, None, None, "13"),
    ]


async def test_modules_and_views_are_compared_by_name(lab: Lab) -> None:
    rows = await compared(
        lab,
        [record("1"), record("2", name="Manual", type="Manual enrollment", custom_view=None)],
        [
            record("11", module={"api_name": "Leads", "id": "3652397000000002179"}),
            record("12", name="Manual", type="Manual enrollment", custom_view={"name": "Hot", "id": "5"}),
        ],
    )
    assert [row[:5] for row in rows] == [
        ("Manual", "differs", "custom_view.name", None, "Hot"),
        ("Welcome", "differs", "module.api_name", "Contacts", "Leads"),
    ]


async def test_rules_are_compared_without_their_ids_and_their_order(lab: Lab) -> None:
    others = [{"id": "92", **without(RULES[1], "id")}, {"id": "91", "type": "respond_email"}]
    changed = [{"id": "93", "type": "end_date", "details": {"unenroll_date": "2027-01-31"}}]
    rows = await compared(
        lab,
        [record(n, name=n, execution_details=EVERY | {"unenroll_properties": RULES}) for n in ("1", "2")],
        [
            record("1", name="1", execution_details=EVERY | {"unenroll_properties": others}),
            record("2", name="2", execution_details=EVERY | {"unenroll_properties": changed}),
        ],
    )
    assert [row[:5] for row in rows] == [
        (
            "2",
            "differs",
            "execution_details.unenroll_properties",
            '[{"type": "respond_email"}, {"type": "end_date", "details": {"unenroll_date": "2026-12-31"}}]',
            '[{"type": "end_date", "details": {"unenroll_date": "2027-01-31"}}]',
        )
    ]


async def test_the_order_of_rules_is_no_difference_after_an_absence(lab: Lab) -> None:
    await lab.sync(record("1", execution_details=EVERY | {"unenroll_properties": RULES}), record("2"))
    start = lab.clock.time
    await lab.sync(record("2"))
    await lab.sync(record("1", execution_details=EVERY | {"unenroll_properties": RULES[::-1]}), record("2"))
    diff = f"cadence_diff('{start}', '{lab.clock.time}')"
    assert await told(lab, "field", diff) == []


async def test_organisations_are_compared_at_any_time(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), org=LEFT)
    await look(lab, "2026-02-01 06:00:00", record("11"), org=RIGHT)
    await look(lab, "2026-02-02 06:00:00", record("11", active=False), org=RIGHT)
    before = "compare_orgs('left', 'right', '2026-02-01 12:00Z')"
    assert await told(lab, COMPARED, before) == []
    after = "compare_orgs('left', 'right', '2026-02-02 12:00Z')"
    assert await told(lab, "field, left_value, right_value", after) == [("active", "true", "false")]


async def test_a_module_is_one_row_also_where_a_held_cadence_has_its_former_name(lab: Lab) -> None:
    await lab.sync(*(record(f"{n}") for n in range(20)))
    renamed = {"id": "3652397000000002179", "api_name": "People"}
    report = await lab.sync(*(record(f"{n}", module=renamed) for n in range(12)))
    assert report.counters is not None
    assert report.counters.held == 8
    assert await told(lab, "module_id, module_api_name, cadences", "steps_by_module") == [(renamed["id"], "People", 20)]
