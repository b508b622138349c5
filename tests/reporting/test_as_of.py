"""`cadences_as_of` and `cadence_diff` agree with a second, simpler account, at any time and on both axes."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from cadence_sync.core.canonical import canonical_value, from_document
from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.reporting.model import NOTED, TICK, Model
from tests.support.lab import START, Lab
from tests.support.records import record, without

AS_OF = "SELECT * FROM cadence_reporting.cadences_as_of(:at, :org, :axis)"
AT_EACH = """
    SELECT asked.at AS asked_at, found.* FROM unnest(CAST(:times AS timestamptz[])) AS asked (at),
        LATERAL cadence_reporting.cadences_as_of(asked.at, :org, :axis) AS found
"""
NUMBERS = count(1)
DIFF = "SELECT * FROM cadence_reporting.cadence_diff(:from_at, :to_at, :org, :axis)"
COMPARE = "SELECT :org FROM cadence_reporting.compare_orgs(:left_org, 'default', :at, :axis)"
FREE = SyncOptions(allow_mass_delete=True, allow_other_org=True)
EDIT = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["A", "B"]),
        "status": st.sampled_from(["active", "inactive"]),
        "active": st.booleans(),
        "description": st.sampled_from([None, "Known", "Later"]),
        "summary": st.none()
        | st.fixed_dictionaries({k: st.integers(0, 2) for k in ("email_follow_up_count", "task_follow_up_count")}),
        "execution_details": st.none()
        | st.fixed_dictionaries(
            {"execute_every": st.fixed_dictionaries({"unit": st.integers(1, 2), "period": st.just("days")})}
        ),
    },
)
STEP = st.fixed_dictionaries(
    {
        "present": st.lists(st.booleans(), min_size=3, max_size=3),
        "edits": st.lists(EDIT, min_size=3, max_size=3),
        "edited": st.lists(st.sampled_from([None, 10, 45, 90, 4000]), min_size=3, max_size=3),
    }
)
"""For each of three cadences: whether it is listed, what is edited, and when Zoho dates it: seconds before the
listing."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=2, max_size=6), data=st.data())
async def test_any_time_of_any_history(lab: Lab, steps: list[dict[str, Any]], data: st.DataObject) -> None:
    org = Org(f"org-{next(NUMBERS)}", "us")
    lab.clock.time = START
    model = Model()
    records = {number: record(f"{number}") for number in range(3)}
    for step in steps:
        at = lab.clock.time + timedelta(minutes=1)  # `sync` moves the clock before it begins
        for number, (edit, seconds) in enumerate(zip(step["edits"], step["edited"], strict=True)):
            records[number] |= edit
            if seconds is not None:
                records[number]["modified_time"] = (at - timedelta(seconds=seconds)).isoformat()
        listed = [records[number] for number, there in enumerate(step["present"]) if there]
        await lab.sync(*listed, org=org, permits=FREE)
        assert lab.clock.time == at
        model.fetch_listing(at, listed)
    begun = {t for states in model.states.values() for s in states for t in (s.valid_from, s.observed_at)}
    times = sorted(begun.union(model.listings))
    asked = [x for t in times for x in (t - TICK, t, t + TICK)]
    for axis in ("valid", "observed"):
        rows = await lab.rows(AT_EACH, times=asked, org=org.org_id, axis=axis)
        for at in asked:
            then = [row for row in rows if row["asked_at"] == at]
            found = {row["cadence_id"]: {name: row[name] for name in NOTED} for row in then}
            assert len(found) == len(then)
            assert found == model.as_of(at, axis), (axis, at)
        places = st.integers(0, 1000).map(lambda number: asked[number % len(asked)])
        from_at, to_at = sorted(data.draw(st.tuples(places, places)))
        await check_diff(lab, model, org.org_id, axis, from_at, to_at)


async def check_diff(lab: Lab, model: Model, org: str, axis: str, from_at: datetime, to_at: datetime) -> None:
    rows = await lab.rows(DIFF, from_at=from_at, to_at=to_at, org=org, axis=axis)
    before, after = model.as_of(from_at, axis), model.as_of(to_at, axis)
    if from_at < model.listings[0]:
        assert rows == []
        return
    gone = {row["cadence_id"] for row in rows if row["kind"] == "deleted"}
    come = {row["cadence_id"] for row in rows if row["kind"] in {"created", "restored"}}
    assert (gone, come) == (before.keys() - after.keys(), after.keys() - before.keys())
    named = {(row["cadence_id"], row["field"]) for row in rows if row["kind"] == "updated"}
    from_known, to_known = model.known_at(from_at, axis), model.known_at(to_at, axis)
    for field in ("name", "status", "active", "modified_time", "description"):
        differs = {
            (i, field)
            for i in before.keys() & after.keys()
            if field in from_known[i] and field in to_known[i] and before[i][field] != after[i][field]
        }
        assert differs == {pair for pair in named if pair[1] == field}


async def test_now_is_what_current_cadences_says(lab: Lab) -> None:
    """Also for fields that were discovered and names that were refreshed since the version began."""
    await lab.sync(without(record("1"), "summary"), record("2"))
    module = {"id": "3652397000000002179", "api_name": "People"}
    whatsapp = record("1")["summary"] | {"whatsapp_follow_up_count": 4}
    await lab.sync(record("1", description="Known", summary=whatsapp, module=module), record("2", module=module))
    await lab.sync(
        record("1", description="Known", summary=whatsapp, module=module, name="New"), record("2", module=module)
    )
    at = (await lab.row("SELECT now() AS at"))["at"]
    current = await lab.rows("SELECT * FROM cadence_reporting.current_cadences ORDER BY cadence_id")
    assert [row["module_api_name"] for row in current] == ["People", "People"]
    now = await lab.rows(f"{AS_OF} ORDER BY cadence_id", at=at, org=None, axis="valid")
    ages = ("age_days", "days_since_change")
    assert [without(without(r, ages[0]), ages[1]) for r in now] == [
        without(without(r, ages[0]), ages[1]) for r in current
    ]


@pytest.mark.parametrize(
    ("statement", "values", "sentence"),
    [
        (AS_OF, {"org": "nobody"}, "there is no organization 'nobody'"),
        (AS_OF, {"axis": "sideways"}, "there is no time axis 'sideways'"),
        (AS_OF, {"at": datetime.fromisoformat("2999-01-01T00:00:00Z")}, "lies in the future"),
        (AS_OF, {"at": None}, "no time is given"),
        (DIFF, {"from_at": datetime.fromisoformat("2026-06-01T00:00:00Z")}, "the period begins at"),
        (DIFF, {"from_at": None}, "no time is given"),
        (DIFF, {"to_at": None}, "no time is given"),
        (COMPARE, {"left_org": None}, "there is no organization NULL"),
        (COMPARE, {"at": datetime.fromisoformat("2999-01-01T00:00:00Z")}, "lies in the future"),
        (DIFF, {"to_at": datetime.fromisoformat("2999-01-01T00:00:00Z")}, "lies in the future"),
    ],
)
@pytest.mark.parametrize("stored", [True, False])
async def test_what_makes_no_sense_is_an_error(
    lab: Lab, statement: str, values: dict[str, Any], sentence: str, stored: bool
) -> None:
    """Also where nothing is stored."""
    if stored:
        await lab.sync(record("1"))
    times = {"at": lab.clock.time, "from_at": lab.clock.time, "to_at": lab.clock.time}
    taken = {name: value for name, value in times.items() if f":{name}" in statement}
    sides = {"left_org": "default"} if statement == COMPARE else {}
    with pytest.raises(DBAPIError, match=sentence):
        await lab.rows(statement, **(taken | {"org": None, "axis": "valid"} | sides | values))


async def test_of_the_time_before_watching_nothing_is_said(lab: Lab) -> None:
    await lab.sync(record("1"))
    early = lab.clock.time - timedelta(hours=1)
    assert await lab.rows(AS_OF, at=early, org="default", axis="valid") == []
    assert await lab.rows(DIFF, from_at=early, to_at=lab.clock.time, org="default", axis="valid") == []


async def test_a_field_that_became_known_is_no_difference(lab: Lab) -> None:
    await lab.sync(record("1"))
    start = lab.clock.time
    await lab.sync(record("1", description="Known"))
    await lab.sync(record("1", description="Known", name="New"))
    rows = await lab.rows(DIFF, from_at=start, to_at=lab.clock.time, org="default", axis="valid")
    assert [(r["field"], r["old_value"], r["new_value"]) for r in rows] == [("name", "Welcome", "New")]


async def test_what_was_changed_and_changed_back_is_no_difference(lab: Lab) -> None:
    await lab.sync(record("1"))
    start = lab.clock.time
    await lab.sync(record("1", name="New"))
    await lab.sync(record("1"))
    assert await lab.rows(DIFF, from_at=start, to_at=lab.clock.time, org="default", axis="valid") == []


async def test_what_changed_while_a_cadence_was_away_is_found(lab: Lab) -> None:
    await lab.sync(record("1"), record("2"))
    start = lab.clock.time
    await lab.sync(record("2"))
    away = lab.clock.time
    await lab.sync(record("1", name="New", summary=None), record("2"))
    rows = await lab.rows(DIFF, from_at=start, to_at=lab.clock.time, org="default", axis="valid")
    assert {(r["kind"], r["field"], r["old_value"], r["new_value"]) for r in rows} == {
        ("updated", "name", "Welcome", "New"),
        *(("updated", f"summary.{kind}_follow_up_count", "1", None) for kind in ("email", "task", "call")),
    }
    rows = await lab.rows(DIFF, from_at=away, to_at=lab.clock.time, org="default", axis="valid")
    assert [(r["cadence_id"], r["kind"], r["field"]) for r in rows] == [("1", "restored", "*")]


async def test_what_became_known_stays_when_its_version_ends_and_shows_from_then_on(lab: Lab) -> None:
    """On the axis `valid` for all of its version's time, on `observed` from the run that saw it first."""
    await lab.sync(record("1"))
    start = lab.clock.time
    summary = record("1")["summary"] | {"whatsapp_follow_up_count": 4}
    await lab.sync(record("1", description="Known", summary=summary))
    discovered = lab.clock.time
    await lab.sync(record("1", description="Known", summary=summary, name="New"))
    asked = "SELECT description, follow_up_count FROM cadence_reporting.cadences_as_of(:at, :org, :axis)"
    for axis, at, answer in (
        ("valid", start, ("Known", 7)),
        ("observed", start, (None, 3)),
        ("observed", discovered - TICK, (None, 3)),
        ("observed", discovered, ("Known", 7)),
        ("observed", lab.clock.time, ("Known", 7)),
    ):
        assert [tuple(row.values()) for row in await lab.rows(asked, at=at, org="default", axis=axis)] == [answer]
    rows = await lab.rows("SELECT version, description FROM cadence_reporting.cadence_history ORDER BY version")
    assert [tuple(row.values()) for row in rows] == [(1, "Known"), (2, "Known")]
    rows = await lab.rows("SELECT * FROM cadence_reporting.discovered_fields ORDER BY field")
    shared = {"org_id": "default", "cadence_id": "1", "cadence_name": "New", "version": 1}
    seen = {"observed_at": discovered, "run_id": 2}
    assert rows == [
        shared | {"field": "description", "value": "Known", "json_value": "Known"} | seen,
        shared | {"field": "summary.whatsapp_follow_up_count", "value": "4", "json_value": 4} | seen,
    ]


async def test_a_comparison_knows_what_was_known_then(lab: Lab) -> None:
    """A field of which one side knew nothing yet is no difference."""
    left, right = Org("left", "us"), Org("right", "us")
    for org in (left, right):
        await lab.sync(record("1"), org=org)
    await lab.sync(record("1", description="Known"), org=left)
    before = lab.clock.time
    await lab.sync(record("1", description="Later"), org=right)
    compare = "SELECT field, left_value, right_value FROM cadence_reporting.compare_orgs('left', 'right', :at, :axis)"
    found = {
        (axis, at): await lab.rows(compare, at=at, axis=axis)
        for axis in ("valid", "observed")
        for at in (before, lab.clock.time)
    }
    differs = [{"field": "description", "left_value": "Known", "right_value": "Later"}]
    assert found == {
        ("valid", before): differs,
        ("valid", lab.clock.time): differs,
        ("observed", before): [],
        ("observed", lab.clock.time): differs,
    }


async def test_nulls_that_became_known_are_known(lab: Lab) -> None:
    """Whatever of an object was sent first: the document with what was discovered is what the store knows."""
    counts = {f"{kind}_follow_up_count": None for kind in ("email", "task", "call")}
    execution = record()["execution_details"]
    bare = without(without(without(record("1"), "summary"), "module"), "execution_details")
    forms: list[dict[str, Any]] = [
        {"summary": counts | {"email_follow_up_count": 1}},
        {"summary": None, "module": None, "execution_details": None},
        {"execution_details": execution | {"unenroll_properties": None}},
        {"execution_details": execution | {"unenroll_properties": {"type": "x", "end_date": ""}}},
        {"execution_details": execution | {"unenroll_properties": [{"type": "x"}], "execute_every": None}},
    ]
    for number, form in enumerate(forms):
        org = Org(f"{number}", "us")
        await lab.sync(bare, org=org)
        await lab.sync(bare | form, org=org)
        (seen,) = await lab.rows(
            "SELECT document FROM cadence_reporting.cadence_history WHERE org_id = :org", org=org.org_id
        )
        (stored,) = await lab.rows(
            "SELECT document FROM cadence_sync.cadence_versions WHERE org_id = :org", org=org.org_id
        )
        discovered = await lab.rows(
            "SELECT field, value FROM cadence_sync.discovered_fields WHERE org_id = :org", org=org.org_id
        )
        known = from_document(stored["document"]) | {row["field"]: row["value"] for row in discovered}
        assert len(discovered) > 1
        assert from_document(seen["document"]) == known


async def test_a_null_that_became_known_is_compared(lab: Lab) -> None:
    for org, summary in (("left", None), ("right", record()["summary"])):
        await lab.sync(without(record("1"), "summary"), org=Org(org, "us"))
        await lab.sync(record("1", summary=summary), org=Org(org, "us"))
    rows = await lab.rows("SELECT field FROM cadence_reporting.compare_orgs('left', 'right') ORDER BY field")
    assert [row["field"] for row in rows] == [f"summary.{kind}_follow_up_count" for kind in ("call", "email", "task")]


RULES: list[list[Any]] = [
    [{"id": 1, "type": "a", "details": {"x": ""}}, {"type": "b", "details": {"y": [{"id": 7, "z": None}, 1, ""]}}],
    [{"type": "b", "details": {"y": [{"id": "7"}, 1, ""]}}, {"id": "1", "type": "a", "details": {}, "more": []}],
]


async def test_two_spellings_of_rules_are_no_difference(lab: Lab) -> None:
    """In SQL as in the program, which makes no version of them."""
    first, second = (record("1", execution_details={"unenroll_properties": rules}) for rules in RULES)
    assert canonical_value(RULES[0]) == canonical_value(RULES[1])
    await lab.sync(first, record("2"))
    start = lab.clock.time
    await lab.sync(second, record("2"))
    await lab.sync(record("2"))
    await lab.sync(second, record("2"))
    assert len(await lab.rows("SELECT version FROM cadence_sync.cadence_versions WHERE cadence_id = '1'")) == 3
    assert await lab.rows(DIFF, from_at=start, to_at=lab.clock.time, org="default", axis="valid") == []
    other = Org("other", "us")
    await lab.sync(second, record("2"), org=other)
    assert await lab.rows("SELECT * FROM cadence_reporting.compare_orgs('default', 'other')") == []
