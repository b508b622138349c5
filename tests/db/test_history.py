"""Versions, changes and counters over several syncs, as the tables then hold them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cadence_sync.core.report import Report
from cadence_sync.ports import Org
from tests.support.lab import Lab
from tests.support.records import RECORD, record, without

VERSIONS = "SELECT * FROM cadence_sync.cadence_versions WHERE cadence_id = '1' ORDER BY version"
DISCOVERED = "SELECT * FROM cadence_sync.discovered_fields"
CHANGES = "SELECT * FROM cadence_sync.cadence_changes ORDER BY change_id"


def counts(report: Report) -> dict[str, Any]:
    """Return the counters of a run that are not 0."""
    names = ("seen", "baseline", "created", "updated", "deleted", "restored", "unchanged", "quarantined")
    found = report.to_json()
    return {name: found[name] for name in names if found[name]}


async def test_a_second_sync_of_the_same_listing_writes_nothing_but_its_run(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"))
    before = await lab.contents()
    report = await lab.sync(record("1"), record("2"))
    assert counts(report) == {"seen": 2, "unchanged": 2}
    assert await lab.contents() == before
    runs = await lab.rows("SELECT outcome, seen, unchanged FROM cadence_sync.sync_runs ORDER BY run_id")
    assert runs[1] == {"outcome": "succeeded", "seen": 2, "unchanged": 2}


async def test_a_change_closes_the_open_version_and_names_field_values_and_person(lab: Lab) -> None:
    await lab.sync(record("1"))
    edited = lab.clock.now() + timedelta(seconds=30)
    person = {"id": "77", "name": "Ana Lind"}
    report = await lab.sync(record("1", name="New", modified_time=edited.isoformat(), modified_by=person))
    assert counts(report) == {"seen": 1, "updated": 1}
    old, new = await lab.rows(VERSIONS)
    assert old["valid_to"] == new["valid_from"] == edited < new["observed_at"] == lab.clock.now()
    assert new["source_modified_time"] == edited
    changes = {row["field"]: row for row in await lab.rows(CHANGES)}
    assert changes.keys() == {"name", "modified_time", "modified_by.id"}
    name = changes["name"]
    assert (name["old_value"], name["new_value"], name["kind"], name["version"]) == (
        "Welcome",
        "New",
        "updated",
        2,
    )
    assert (name["changed_by_id"], name["changed_by_name"]) == ("77", "Ana Lind")
    assert (name["changed_at"], name["observed_at"], name["run_id"]) == (
        edited,
        new["observed_at"],
        report.run_id,
    )


async def test_a_change_without_a_newer_modified_time_has_no_culprit_and_begins_when_it_was_observed(
    lab: Lab,
) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", name="New"))
    (change,) = await lab.rows(CHANGES)
    assert (change["changed_by_id"], change["changed_by_name"]) == (None, None)
    assert change["changed_at"] == lab.clock.now()


async def test_a_cadence_that_comes_goes_and_returns_keeps_one_chain(lab: Lab) -> None:
    await lab.sync(record("2"))
    assert counts(await lab.sync(record("1"), record("2"))) == {"seen": 2, "created": 1, "unchanged": 1}
    assert counts(await lab.sync(record("2"))) == {"seen": 1, "deleted": 1, "unchanged": 1}
    row = await lab.row("SELECT deleted_at, name FROM cadence_sync.cadences WHERE cadence_id = '1'")
    assert row == {"deleted_at": lab.clock.now(), "name": "Welcome"}
    assert counts(await lab.sync(record("2"))) == {"seen": 1, "unchanged": 1}
    assert counts(await lab.sync(record("1", name="Back"), record("2"))) == {
        "seen": 2,
        "restored": 1,
        "unchanged": 1,
    }
    versions = await lab.rows(VERSIONS)
    assert [v["kind"] for v in versions] == ["created", "deleted", "restored"]
    assert [v["document"]["name"] for v in versions] == ["Welcome", "Welcome", "Back"]
    assert versions[1]["raw"] is None
    assert [(c["kind"], c["field"]) for c in await lab.rows(CHANGES)] == [
        ("created", "*"),
        ("deleted", "*"),
        ("restored", "*"),
    ]
    row = await lab.row("SELECT deleted_at, name FROM cadence_sync.cadences WHERE cadence_id = '1'")
    assert row == {"deleted_at": None, "name": "Back"}


async def test_a_label_refreshes_the_current_row_and_makes_no_version(lab: Lab) -> None:
    await lab.sync(record("1"))
    renamed = {"name": "Pat Boyle-Lin", "id": RECORD["created_by"]["id"]}
    assert counts(await lab.sync(record("1", created_by=renamed))) == {"seen": 1, "unchanged": 1}
    row = await lab.row("SELECT created_by_name, modified_by_name FROM cadence_sync.cadences")
    assert row == {"created_by_name": "Pat Boyle-Lin", "modified_by_name": "Patricia Boyle"}
    assert len(await lab.rows(VERSIONS)) == 1
    assert await lab.rows(CHANGES) == []


async def test_a_field_that_is_discovered_makes_no_version_and_its_next_change_does(lab: Lab) -> None:
    await lab.sync(record("1"))
    assert counts(await lab.sync(record("1", description="First"))) == {"seen": 1, "unchanged": 1}
    seen = lab.clock.time
    row = await lab.row("SELECT description FROM cadence_sync.cadences")
    assert row == {"description": "First"}
    discovered = {"org_id": "default", "cadence_id": "1", "version": 1, "field": "description", "value": "First"}
    assert await lab.rows(DISCOVERED) == [discovered | {"observed_at": seen, "run_id": 2}]
    assert counts(await lab.sync(record("1"))) == {"seen": 1, "unchanged": 1}
    row = await lab.row("SELECT description FROM cadence_sync.cadences")
    assert row == {"description": "First"}
    assert counts(await lab.sync(record("1", description="Second"))) == {"seen": 1, "updated": 1}
    (change,) = await lab.rows(CHANGES)
    assert (change["field"], change["old_value"], change["new_value"]) == ("description", "First", "Second")
    row = await lab.row("SELECT description FROM cadence_sync.cadences")
    assert row == {"description": "Second"}
    assert await lab.rows(DISCOVERED) == [discovered | {"observed_at": seen, "run_id": 2}]


async def test_a_key_that_is_not_sent_keeps_its_value_through_a_change(lab: Lab) -> None:
    await lab.sync(record("1", description="Kept"))
    await lab.sync(record("1", name="New"))
    row = await lab.row("SELECT name, description FROM cadence_sync.cadences")
    assert row == {"name": "New", "description": "Kept"}
    assert (await lab.rows(VERSIONS))[1]["document"]["description"] == "Kept"


async def test_listings_that_leave_keys_out_in_turn_write_nothing_but_another_digest_once_a_day(lab: Lab) -> None:
    long, short = record("1", description="Known"), without(record("1"), "summary")
    await lab.sync(long)
    digest = "SELECT digest FROM cadence_sync.cadences"
    first = await lab.row(digest)
    assert counts(await lab.sync(short)) == {"seen": 1, "unchanged": 1}
    second = await lab.row(digest)
    assert second != first
    before = await lab.contents()
    for body in (long, short, long, short):
        assert counts(await lab.sync(body)) == {"seen": 1, "unchanged": 1}
    assert await lab.contents() == before
    lab.clock.move(days=1)
    assert counts(await lab.sync(long)) == {"seen": 1, "unchanged": 1}
    assert await lab.row(digest) == first
    assert await lab.rows("SELECT version FROM cadence_sync.cadence_versions") == [{"version": 1}]


async def test_a_clock_that_jumps_back_keeps_validity_in_order(lab: Lab) -> None:
    await lab.sync(record("1"))
    lab.clock.move(hours=-1)
    await lab.sync(record("1", name="Second"))
    await lab.sync(record("1", name="Third"))
    versions = await lab.rows(VERSIONS)
    starts = [v["valid_from"] for v in versions]
    assert starts[1] == starts[0] + timedelta(microseconds=1)
    assert starts[2] == starts[1] + timedelta(microseconds=1)
    assert versions[1]["observed_at"] < versions[0]["observed_at"]


async def test_a_bad_record_goes_to_quarantine_and_is_neither_deleted_nor_created_later(lab: Lab) -> None:
    await lab.sync(record("1"))
    bad = {"summary": {"email_follow_up_count": "many"}}
    report = await lab.sync(record("1", **bad), record("2", **bad))
    assert report.exit_code == 7
    assert counts(report) == {"seen": 2, "quarantined": 2}
    quarantined = await lab.rows("SELECT run_id, cadence_id, reason FROM cadence_sync.quarantined_records ORDER BY 2")
    assert [(q["run_id"], q["cadence_id"]) for q in quarantined] == [
        (report.run_id, "1"),
        (report.run_id, "2"),
    ]
    assert quarantined[0]["reason"].startswith("summary.email_follow_up_count: ")
    assert counts(await lab.sync(record("1"), record("2"))) == {"seen": 2, "baseline": 1, "unchanged": 1}
    assert [v["kind"] for v in await lab.rows(VERSIONS)] == ["baseline"]


async def test_a_record_without_a_readable_id_lets_nobody_be_called_missing(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"))
    report = await lab.sync(record("2"), without(record(), "id"))
    assert counts(report) == {"seen": 2, "unchanged": 1, "quarantined": 1}
    assert counts(await lab.sync(record("2"))) == {"seen": 1, "deleted": 1, "unchanged": 1}


@pytest.mark.parametrize(("hidden", "kind"), [(True, "baseline"), (False, "created")])
async def test_after_an_unreadable_id_nobody_knows_whether_an_old_cadence_is_new(
    lab: Lab, hidden: bool, kind: str
) -> None:
    await lab.sync(record("2"))
    await lab.sync(record("2"), *([without(record(), "id")] if hidden else []))
    assert counts(await lab.sync(record("1"), record("2"))) == {"seen": 2, kind: 1, "unchanged": 1}
    assert [v["kind"] for v in await lab.rows(VERSIONS)] == [kind]
    assert counts(await lab.sync(record("1"), record("2"), record("3"))) == {"seen": 3, "created": 1, "unchanged": 2}


async def test_two_organizations_with_the_same_ids_do_not_meet(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", name="Sandbox"), org=Org("sandbox", "eu"))
    await lab.sync(
        org=Org("sandbox", "eu"),
        body=b'{"cadences": [], "info": {"per_page": 200, "count": 0, "page": 1, "more_records": false}}',
    )
    rows = await lab.rows("SELECT org_id, name, deleted_at FROM cadence_sync.cadences ORDER BY org_id")
    assert [(r["org_id"], r["name"], r["deleted_at"] is None) for r in rows] == [
        ("default", "Welcome", True),
        ("sandbox", "Sandbox", False),
    ]


async def test_an_empty_first_listing_is_a_complete_listing_after_which_cadences_are_created(lab: Lab) -> None:
    empty = b'{"cadences": [], "info": {"per_page": 200, "count": 0, "page": 1, "more_records": false}}'
    assert counts(await lab.sync(body=empty)) == {}
    began = lab.clock.now() + timedelta(seconds=20)
    new = record("1", created_time=began.isoformat(), modified_time=began.isoformat())
    assert counts(await lab.sync(new)) == {"seen": 1, "created": 1}
    (version,) = await lab.rows(VERSIONS)
    assert version["valid_from"] == began
    (change,) = await lab.rows(CHANGES)
    assert change["changed_by_name"] == "Patricia Boyle"


async def test_a_modified_time_in_the_future_is_no_evidence(lab: Lab) -> None:
    await lab.sync(record("1"))
    far = datetime(2031, 1, 1, tzinfo=UTC)
    await lab.sync(record("1", name="New", modified_time=far.isoformat()))
    assert (await lab.rows(VERSIONS))[1]["valid_from"] == lab.clock.now()


async def test_a_modified_time_that_comes_back_from_null_blames_nobody(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", modified_time=None))
    await lab.sync(record("1", name="New"))
    rows = await lab.rows(CHANGES)
    assert {row["changed_by_id"] for row in rows if row["version"] == 3} == {None}


async def test_the_first_edit_after_a_null_modified_time_names_its_editor(lab: Lab) -> None:
    await lab.sync(record("1", modified_time=None))
    edited = lab.clock.now() + timedelta(seconds=10)
    await lab.sync(record("1", name="New", modified_time=edited.isoformat()))
    assert {row["changed_by_name"] for row in await lab.rows(CHANGES)} == {"Patricia Boyle"}


async def test_half_an_unenroll_rule_keeps_the_half_that_is_not_sent(lab: Lab) -> None:
    whole = {"type": "respond_email", "end_date": "2030-01-01"}
    await lab.sync(record("1", execution_details={"unenroll_properties": whole}))
    await lab.sync(record("1", execution_details={}))  # another digest is written, once a day
    before = await lab.contents()
    for half in ({"type": "respond_email"}, {"end_date": "2030-01-01"}, {}):
        report = await lab.sync(record("1", execution_details={"unenroll_properties": half}))
        assert counts(report) == {"seen": 1, "unchanged": 1}
    assert await lab.contents() == before
