"""What Zoho documents lands in the tables, field by field."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cadence_sync.core import digest_index, normalize
from cadence_sync.core.fields import FIELDS
from tests.support.lab import START, Lab
from tests.support.records import record

SAMPLES = Path(__file__).parents[1] / "samples"
V7 = (SAMPLES / "v7-list.json").read_bytes()
V8 = (SAMPLES / "v8-list.json").read_bytes()
FIRST, SECOND = "3652397000017949001", "3652397000017985012"


async def test_the_documented_listing_lands_with_every_field(lab: Lab) -> None:
    report = await lab.sync(body=V7)
    observed = lab.clock.now()
    row = await lab.row("SELECT * FROM cadence_sync.cadences WHERE cadence_id = :id", id=FIRST)
    row.pop("digest")
    assert row == {
        "org_id": "default",
        "cadence_id": FIRST,
        "name": "CadenceTest1",
        "description": None,
        "type": "custom_view",
        "status": "active",
        "active": True,
        "published": True,
        "module_id": "3652397000000002179",
        "module_api_name": "Contacts",
        "custom_view_id": "3652397000000087529",
        "custom_view_name": "All Contacts",
        "created_time": datetime(2024, 7, 18, 3, 38, 22, tzinfo=UTC),
        "created_by_id": "3652397000000186017",
        "created_by_name": "Patricia Boyle",
        "modified_time": datetime(2024, 7, 18, 6, 1, 40, tzinfo=UTC),
        "modified_by_id": "3652397000000186017",
        "modified_by_name": "Patricia Boyle",
        "extra": {},
        "first_seen_at": observed,
        "last_changed_at": observed,
        "deleted_at": None,
        "version": 1,
    }
    assert (report.outcome, report.counters and report.counters.baseline) == ("succeeded", 2)


async def test_the_documented_listing_lands_in_the_side_tables(lab: Lab) -> None:
    await lab.sync(body=V7)
    summaries = await lab.rows("SELECT * FROM cadence_sync.follow_up_summaries ORDER BY cadence_id")
    assert [tuple(row.values())[1:] for row in summaries] == [(FIRST, 1, 1, 1, None), (SECOND, 1, 0, 0, None)]
    details = await lab.row("SELECT * FROM cadence_sync.execution_details")
    assert details == {
        "org_id": "default",
        "cadence_id": FIRST,
        "type": "respond_email",
        "end_date": None,
        "automatic_unenroll": False,
        "execute_every_unit": 1,
        "execute_every_period": "hours",
        "unenroll_type": "respond_email",
        "unenroll_end_date": None,
    }


async def test_a_version_holds_the_document_without_labels_and_the_record_as_received(lab: Lab) -> None:
    await lab.sync(body=V7)
    row = await lab.row(
        "SELECT *, raw::text AS written FROM cadence_sync.cadence_versions WHERE cadence_id = :id", id=FIRST
    )
    assert row["document"] == {
        "id": FIRST,
        "name": "CadenceTest1",
        "type": "custom_view",
        "status": "active",
        "active": True,
        "published": True,
        "module": {"id": "3652397000000002179"},
        "custom_view": {"id": "3652397000000087529"},
        "created_time": "2024-07-18T03:38:22+00:00",
        "created_by": {"id": "3652397000000186017"},
        "modified_time": "2024-07-18T06:01:40+00:00",
        "modified_by": {"id": "3652397000000186017"},
        "summary": {"email_follow_up_count": 1, "task_follow_up_count": 1, "call_follow_up_count": 1},
        "execution_details": {
            "type": "respond_email",
            "end_date": None,
            "automatic_unenroll": False,
            "execute_every": {"unit": 1, "period": "hours"},
            "unenroll_properties": {"type": "respond_email", "end_date": None},
        },
    }
    assert row["written"].encode() in V7
    assert json.loads(row["written"]) == json.loads(V7)["cadences"][0]
    assert (row["kind"], row["valid_to"]) == ("baseline", None)
    assert row["valid_from"] == row["observed_at"] == lab.clock.now() > START


async def test_the_v8_listing_lands_with_dates_and_description(lab: Lab) -> None:
    await lab.sync(body=V8)
    row = await lab.row(
        "SELECT * FROM cadence_sync.cadences JOIN cadence_sync.execution_details USING (org_id, cadence_id)"
    )
    assert row["cadence_id"] == "2001"
    assert row["description"] == "Cadence for leads"
    assert row["modified_time"] == datetime(2025, 1, 1, 11, 13, 11, tzinfo=UTC)
    assert row["end_date"] == row["unenroll_end_date"] == date(2025, 12, 31)
    assert row["unenroll_type"] == "date"


async def test_rules_in_array_form_land_as_type_and_date_and_stay_whole_in_the_document(lab: Lab) -> None:
    rules = [
        {"details": None, "id": "1", "type": "automatic_unenroll"},
        {"details": {"unenroll_date": "2025-11-30"}, "id": "2", "type": "end_date"},
    ]
    execution = {"unenroll_properties": rules, "execute_every": {"unit": 1, "period": "hours"}}
    await lab.sync(record("1", execution_details=execution))
    details = await lab.row("SELECT * FROM cadence_sync.execution_details")
    assert (details["unenroll_type"], details["unenroll_end_date"]) == ("multiple", date(2025, 11, 30))
    version = await lab.row("SELECT document FROM cadence_sync.cadence_versions")
    assert version["document"]["execution_details"]["unenroll_properties"] == rules


async def test_execution_details_that_become_null_lose_their_row_and_come_back(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", execution_details=None))
    assert await lab.rows("SELECT * FROM cadence_sync.execution_details") == []
    changes = await lab.rows("SELECT field, new_value FROM cadence_sync.cadence_changes ORDER BY field")
    assert changes == [
        {"field": f"execution_details.{leaf}", "new_value": None}
        for leaf in (
            "automatic_unenroll", "execute_every.period", "execute_every.unit", "type", "unenroll_properties.type",
        )
    ]  # fmt: skip
    await lab.sync(record("1"))
    assert len(await lab.rows("SELECT * FROM cadence_sync.execution_details")) == 1


async def test_an_unknown_field_is_kept_and_noted_once_a_day(lab: Lab) -> None:
    await lab.sync(record("1", rid="a-uuid", summary={"sms_follow_up_count": 2}, status="paused"))
    row = await lab.row("SELECT extra, status FROM cadence_sync.cadences")
    assert row == {"extra": {"rid": "a-uuid", "summary": {"sms_follow_up_count": 2}}, "status": "paused"}
    noted = "SELECT path, sample, first_seen_at, last_seen_at FROM cadence_sync.schema_drift ORDER BY path"
    first = await lab.rows(noted)
    assert [(r["path"], r["sample"]) for r in first] == [
        ("rid", '"a-uuid"'),
        ("status", '"paused"'),
        ("summary.sms_follow_up_count", "2"),
    ]
    before = await lab.contents()
    await lab.sync(record("1", rid="a-uuid", summary={"sms_follow_up_count": 2}, status="paused"))
    assert await lab.contents() == before
    lab.clock.move(days=2)
    await lab.sync(record("1", name="New", rid="a-uuid", summary={"sms_follow_up_count": 2}, status="paused"))
    assert all(r["last_seen_at"] > r["first_seen_at"] for r in await lab.rows(noted))


async def test_a_version_that_knows_one_more_field_learns_it_from_unchanged_records(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next change is then a change, and not the first that is heard of it."""
    with monkeypatch.context() as older:
        top, labels, others = normalize._KNOWN[""]
        fewer = {key: leaf for key, leaf in top.items() if key != "description"}
        older.setitem(normalize._KNOWN, "", (fewer, labels, others))
        without_it = {path: leaf_type for path, leaf_type in FIELDS.items() if path != "description"}
        older.setattr(digest_index, "FIELDS", without_it)
        older.setattr(digest_index, "_SCHEMA_HASH", digest_index._schema_hash())
        await lab.sync(record("1", description="Old"))
        assert (await lab.row("SELECT description FROM cadence_sync.cadences")) == {"description": None}
    await lab.sync(record("1", description="Old"))
    assert (await lab.row("SELECT description FROM cadence_sync.cadences")) == {"description": "Old"}
    await lab.sync(record("1", description="New"))
    changes = await lab.rows("SELECT field, old_value, new_value FROM cadence_sync.cadence_changes")
    assert changes == [{"field": "description", "old_value": "Old", "new_value": "New"}]
