"""What the views of runs, organizations and sums say, and two organizations side by side."""

from datetime import date, timedelta
from typing import Any

from cadence_sync.core.deletions import DeletionThreshold
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.errors import AccessError
from cadence_sync.ports import Actor, Org
from cadence_sync.sync import SyncOptions
from tests.reporting.looks import EVERY, RULES, at, counts, edited, look, read
from tests.support.lab import Lab, WrittenSource
from tests.support.records import record, without

# Freshness, held and unreadable -----------------------------------------------------------------------------------

LEFT, RIGHT = Org("left", "us"), Org("right", "us")


async def test_a_failed_run_makes_nothing_fresher(lab: Lab) -> None:
    good = await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-01 07:00:00", record("1"))
    lab.clock.time = at("2026-02-02 06:00:00")
    await lab.syncing(WrittenSource(b"", lab.clock, AccessError("Refused.", code="ACCESS_DENIED"))).run("test")
    columns = "watched_since, observed_at, last_success_at, last_run_id, last_started_at, last_outcome, last_error_code"
    rows = await read(lab, f"{columns}, last_error_message, live, deleted", "sync_freshness")
    listed, failed = at("2026-02-01 07:00:00"), at("2026-02-02 06:00:00")
    assert rows == [
        (at("2026-02-01 06:00:00"), listed, listed, good + 2, failed, "failed", "ACCESS_DENIED", "Refused.", 1, 1)
    ]
    (row,) = await lab.rows(
        "SELECT age, age_seconds, now() - last_success_at AS waited FROM cadence_reporting.sync_freshness"
    )
    assert row["age"] == row["waited"]
    assert row["age_seconds"] == round(row["waited"].total_seconds())


async def test_an_organization_that_never_worked_is_listed_too(lab: Lab) -> None:
    await lab.syncing(WrittenSource(b"", lab.clock, AccessError("Refused."))).run("test")
    assert await read(lab, "org_id, watched_since, age, last_outcome, live, quarantined", "sync_freshness") == [
        ("default", None, None, "failed", 0, 0)
    ]


async def test_what_is_held_and_what_a_person_decided(lab: Lab) -> None:
    records = [record(str(n), name=f"Name {n}") for n in range(4)]
    threshold = SyncOptions(threshold=DeletionThreshold(count=1, percent=0))
    await lab.sync(*records)
    report = await lab.sync(*records[2:], permits=threshold)
    missed = lab.clock.time
    await lab.sync(*records[2:], permits=threshold)
    columns = "cadence_id, name, module_api_name, missing_since, run_id, decision, decided_at"
    assert await read(lab, columns, "held_deletions ORDER BY 1") == [
        (str(n), f"Name {n}", "Contacts", missed, report.run_id, None, None) for n in (0, 1)
    ]
    assert await read(lab, "last_outcome, live, held, missing", "sync_freshness") == [("held", 4, 2, 0)]
    assert report.run_id is not None
    await review_deletions(lab.engine, report.run_id, "rejected", Actor("ana"))
    rows = await read(lab, "decision, decided_at IS NOT NULL", "held_deletions")
    assert rows == [("rejected", True)] * 2
    rows = await read(lab, "run_id, decision, decided_by, cadences", "deletion_decisions")
    assert rows == [(report.run_id, "rejected", "ana", 2)]
    assert await read(lab, "live, held, missing", "sync_freshness") == [(4, 0, 2)]


async def test_what_could_not_be_read(lab: Lab) -> None:
    bad = record("1", summary=counts() | {"call_follow_up_count": "two"})
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    first = await look(lab, "2026-02-02 06:00:00", record("2"), bad)
    reason = "summary.call_follow_up_count: expected a whole number, got text"
    columns = "run_id, observed_at, position, cadence_id, name, reason"
    rows = await read(lab, columns, "quarantined_records")
    assert rows == [(first, at("2026-02-02 06:00:00"), 1, "1", "Welcome", reason)]
    assert await read(lab, "last_outcome, quarantined, live", "sync_freshness") == [("partial", 1, 2)]
    await look(lab, "2026-02-03 06:00:00", record("1"), record("2"))
    assert await read(lab, "last_outcome, quarantined, live", "sync_freshness") == [("succeeded", 0, 2)]


async def test_a_run_says_what_it_did(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"), record("3"))
    await lab.sync(record("1", name="New"), record("3"), record("4"))
    await lab.sync(record("1", name="New"), record("2"), record("3"), record("4"))
    columns = "outcome, seen, baseline, created, updated, deleted, restored, unchanged, quarantined, held"
    assert await read(lab, columns, "sync_runs ORDER BY run_id") == [
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
    assert await read(lab, columns, view) == [
        (date(2026, 1, 26), "77", "Jan Horak", 1, 1, 2),
        (date(2026, 2, 2), "77", "Jan Horak", 2, 1, 2),
        (date(2026, 2, 2), None, None, 2, 2, 1),
    ]
    assert await read(lab, columns, view, "Europe/Berlin") == [
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
    rows = await read(
        lab, f"{columns}, whatsapp_follow_ups, follow_ups, follow_ups_per_cadence::text", "steps_by_module ORDER BY 1"
    )
    assert rows == [("Contacts", 3, 2, 2, 2, 3, 1, 8, "4.00"), ("Deals", 1, 1, None, None, None, None, None, None)]


async def test_the_activation_timeline(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2", active=None))
    await look(lab, "2026-02-02 06:00:00", record("1", name="Now"), record("2", active=None))
    off = edited("2026-02-03 12:00:00", name="Now", active=False)
    await look(lab, "2026-02-04 06:00:00", off, record("2", active=None))
    await look(lab, "2026-02-05 06:00:00", record("2", active=None))
    await look(lab, "2026-02-06 06:00:00", off, record("2", active=None))
    columns = "cadence_id, name, state, began_at, ended_at, changed_by_name"
    starts = [at(f"2026-02-{day}") for day in ("01 06:00:00", "03 12:00:00", "05 06:00:00", "06 06:00:00")]
    assert await read(lab, columns, "activation_timeline ORDER BY cadence_id, began_at") == [
        ("1", "Now", "active", starts[0], starts[1], None),
        ("1", "Now", "inactive", starts[1], starts[2], "Jan Novak"),
        ("1", "Now", "deleted", starts[2], starts[3], None),
        ("1", "Now", "inactive", starts[3], None, None),
        ("2", "Welcome", "unknown", starts[0], None, None),
    ]
    lasted = await read(
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
    return await read(lab, COMPARED, "compare_orgs('left', 'right')")


async def test_two_organizations_side_by_side(lab: Lab) -> None:
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
    assert await read(lab, "field", diff) == []


async def test_organizations_are_compared_at_any_time(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), org=LEFT)
    await look(lab, "2026-02-01 06:00:00", record("11"), org=RIGHT)
    await look(lab, "2026-02-02 06:00:00", record("11", active=False), org=RIGHT)
    before = "compare_orgs('left', 'right', '2026-02-01 12:00Z')"
    assert await read(lab, COMPARED, before) == []
    after = "compare_orgs('left', 'right', '2026-02-02 12:00Z')"
    assert await read(lab, "field, left_value, right_value", after) == [("active", "true", "false")]


async def test_a_module_is_one_row_also_where_a_held_cadence_has_its_former_name(lab: Lab) -> None:
    await lab.sync(*(record(f"{n}") for n in range(20)))
    renamed = {"id": "3652397000000002179", "api_name": "People"}
    report = await lab.sync(*(record(f"{n}", module=renamed) for n in range(12)))
    assert report.counters is not None
    assert report.counters.held == 8
    assert await read(lab, "module_id, module_api_name, cadences", "steps_by_module") == [(renamed["id"], "People", 20)]


async def test_an_organization_that_was_not_watched_yet_is_not_compared(lab: Lab) -> None:
    await lab.sync(record("1"), org=LEFT)
    early = lab.clock.time
    await lab.sync(record("1", name="Other"), org=RIGHT)
    rows = "SELECT difference FROM cadence_reporting.compare_orgs('left', 'right', :at) ORDER BY 1"
    assert await lab.rows(rows, at=early) == []
    assert [row["difference"] for row in await lab.rows(rows, at=lab.clock.time)] == ["only left", "only right"]
    await lab.store.begin(Org("never", "us"), "test", lab.clock.time)
    assert await lab.rows("SELECT * FROM cadence_reporting.compare_orgs('left', 'never')") == []
