"""What SQL takes out of documents is what the program put into the columns beside them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.facts import DAYS
from tests.support.lab import Lab
from tests.support.records import record

FALSY: st.SearchStrategy[object] = st.sampled_from(["", None, 0, False, [], {}])
DATES = DAYS | DAYS.map(lambda day: f"{day}T23:00:00-08:00") | FALSY
RULE = st.fixed_dictionaries(
    {"type": st.sampled_from(["end_date", "criteria"])},
    optional={
        "id": st.integers(0, 5).map(str),
        "details": st.dictionaries(st.sampled_from(["unenroll_date", "end_date"]), DATES, max_size=2) | FALSY,
    },
)
PROPERTIES = (
    st.none()
    | st.lists(RULE, max_size=3)
    | st.fixed_dictionaries({}, optional={"type": st.sampled_from(["end_date", ""]), "end_date": DAYS | st.just("")})
)
EXECUTION = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["end_date", "respond_email"]),
        "end_date": DAYS | st.just(""),
        "automatic_unenroll": st.booleans(),
        "execute_every": st.none()
        | st.fixed_dictionaries(
            {"period": st.sampled_from(["immediately", "days", "weeks", "fortnights"])},
            optional={"unit": st.integers(1, 3) | st.none()},
        ),
        "unenroll_properties": PROPERTIES,
    },
)
COUNTS = ("email", "task", "call", "whatsapp")
SUMMARY = st.none() | st.dictionaries(
    st.sampled_from([f"{kind}_follow_up_count" for kind in COUNTS]), st.none() | st.integers(0, 3)
)
SAME = """
    SELECT cadence_id FROM cadence_reporting.current_cadences AS c
    JOIN cadence_reporting.cadence_history AS h USING (org_id, cadence_id, version)
    WHERE (c.follow_up_count, c.execution_type, c.execution_end_date, c.automatic_unenroll, c.execute_every_unit,
           c.execute_every_period, c.execution_interval, c.unenroll_type, c.unenroll_end_date, c.last_changed_at)
          IS DISTINCT FROM
          (h.follow_up_count, h.execution_type, h.execution_end_date, h.automatic_unenroll, h.execute_every_unit,
           h.execute_every_period, h.execution_interval, h.unenroll_type, h.unenroll_end_date, h.last_changed_at)
"""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.tuples(SUMMARY, EXECUTION), min_size=8, max_size=8))
async def test_every_form_of_a_record(lab: Lab, bodies: list[tuple[Any, Any]]) -> None:
    listed = [record(f"{n}", summary=s, execution_details=e) for n, (s, e) in enumerate(bodies)]
    report = await lab.sync(*listed)
    assert report.counters is not None
    assert report.counters.quarantined == 0
    assert await lab.rows(SAME) == []


@pytest.mark.parametrize("modified_time", [None, "2024-07-17T23:01:40-0700"])
async def test_a_version_shows_the_names_of_its_time_and_the_newest_those_of_today(
    lab: Lab, modified_time: str | None
) -> None:
    module = {"id": "1", "api_name": "Leads"}
    await lab.sync(record("1", module=module, modified_time=modified_time), record("2"))
    await lab.sync(record("1", module=module, modified_time=modified_time, name="New"), record("2"))
    await lab.sync(
        record("1", module=module | {"api_name": "Prospects"}, modified_time=modified_time, name="New"), record("2")
    )
    names = "SELECT module_api_name FROM cadence_reporting.cadence_history WHERE cadence_id = '1' ORDER BY version"
    assert [row["module_api_name"] for row in await lab.rows(names)] == ["Leads", "Prospects"]
    await lab.sync(record("2"))
    assert [row["module_api_name"] for row in await lab.rows(names)] == ["Leads", "Leads", "Prospects"]
    await lab.sync(record("1", module={"id": "9", "api_name": "Deals"}), record("2"))
    assert [row["module_api_name"] for row in await lab.rows(names)] == ["Leads", "Leads", None, "Deals"]
