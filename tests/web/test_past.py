"""Time travel: the pages answer as `cadence_reporting` does, and never invent history."""

import csv
import io
import random
import re
from datetime import timedelta

from cadence_sync.core.labels import Axis
from cadence_sync.db.queries.as_of import PastQuery, compare_times, list_as_of
from cadence_sync.db.scope import OrgScope
from cadence_sync.ports import Org
from cadence_sync.simulator.edits import make_random_edits
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.serializers import list_v8
from cadence_sync.sync import SyncOptions
from cadence_sync.web.views.past import COLUMNS
from cadence_sync.wiring import SystemClock
from tests.reporting.looks import at, edited, look
from tests.support.lab import START, Lab
from tests.support.records import record
from tests.web.conftest import Site
from tests.web.test_cadence import plain

ORGS = ("default", "other")


async def write(lab: Lab) -> None:
    """Let people work for some weeks in two organizations, one watched later; once the clock is set back."""
    rng = random.Random(11)  # noqa: S311 - made-up edits need repeatable, not secret, randomness
    orgs = {name: SimOrg(11, index, 9) for index, name in enumerate(ORGS)}
    for listing in range(14):
        time = START + timedelta(days=3 * listing) - (timedelta(days=4) if listing == 9 else timedelta())
        for name, org in orgs.items():
            if listing == 0 and name == "other":
                continue
            for _ in range(rng.randrange(5)):
                make_random_edits(org, 1, time - timedelta(minutes=rng.randrange(1, 3000)), rng)
            lab.clock.time = time
            records = [list_v8(cadence, org.utc_offset) for cadence in org.ordered("id")]
            report = await lab.sync(*records, org=Org(name, "us"), permits=SyncOptions(allow_mass_delete=True))
            assert report.error is None


async def test_a_clock_ahead_of_the_databases_shows_the_present(lab: Lab, site: Site) -> None:
    await lab.sync(record("1", name="Present"))
    lab.clock.time = SystemClock().now() + timedelta(hours=1)
    today = f"{lab.clock.time:%Y-%m-%d}"
    for path in (f"/past?on={today}", f"/cadences/default/1/at?on={today}"):
        assert "Present" in await site.text(path), path
    await site.text("/past/difference?from=2026-01-01")


async def test_the_answers_are_those_of_the_reporting_layer(lab: Lab) -> None:
    await write(lab)
    times = [START + timedelta(hours=hours) for hours in range(-24, 24 * 42, 95)]
    columns = ", ".join(COLUMNS)
    async with lab.engine.connect() as connection:
        for axis in Axis:
            for org in ("", *ORGS):
                asked = {"org": org or None, "axis": axis.value}
                for time in times:
                    rows, total = await list_as_of(
                        connection, PastQuery(time, axis, COLUMNS, OrgScope(org or None), None, 1000)
                    )
                    reported = await lab.rows(
                        f"SELECT {columns} FROM cadence_reporting.cadences_as_of(:at, :org, :axis)", at=time, **asked
                    )
                    mine = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
                    assert total == len(reported)
                    assert sorted(mine, key=str) == sorted(reported, key=str), (axis, org, time)
                for begins, ends in zip(times, [*times[3:], *times[-3:]], strict=True):
                    differences = await compare_times(
                        connection, begins, max(begins, ends), axis, OrgScope(org or None)
                    )
                    reported = await lab.rows(
                        "SELECT org_id, cadence_id, kind, field, from_version, to_version"
                        " FROM cadence_reporting.cadence_diff(:begins, :ends, :org, :axis)",
                        begins=begins,
                        ends=max(begins, ends),
                        **asked,
                    )
                    found = [
                        (each.org_id, each.cadence_id, each.kind, field, each.from_version, each.to_version)
                        for each in differences
                        for field in ([moved.field for moved in each.fields] or ["*"])
                    ]
                    assert sorted(found, key=str) == sorted((tuple(row.values()) for row in reported), key=str)


async def test_what_had_been_seen_is_found_also_where_the_clock_was_set_back(lab: Lab) -> None:
    for day in ("01", "10", "04", "05", "06"):
        await look(lab, f"2026-02-{day} 06:00:00", record("1", name=f"of the {day}"))
    async with lab.engine.connect() as connection:
        for time in (at("2026-02-05 12:00:00"), at("2026-02-07 12:00:00")):
            rows, _ = await list_as_of(connection, PastQuery(time, Axis.OBSERVED, COLUMNS, OrgScope()))
            reported = await lab.rows(
                "SELECT name FROM cadence_reporting.cadences_as_of(:at, NULL, 'observed')", at=time
            )
            assert [row.name for row in rows] == [row["name"] for row in reported]
            assert rows[0].version > 2


async def test_a_clock_may_be_set_back_before_many_edits(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1", name="first"))
    await look(lab, "2026-03-10 06:00:00", record("1", name="ahead"))
    for minute in range(40):
        await look(lab, f"2026-02-04 06:{minute:02}:30", record("1", name=f"then {minute}"))
    async with lab.engine.connect() as connection:
        rows, _ = await list_as_of(connection, PastQuery(at("2026-02-04 07:00:00"), Axis.OBSERVED, COLUMNS, OrgScope()))
    assert [row.name for row in rows] == ["then 39"]


async def story(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2", name="Going"))
    await look(lab, "2026-02-03 06:00:00", record("8", name="Else"), org=Org("other", "eu"))
    view = {"name": "Hot leads", "id": "88"}
    await look(
        lab, "2026-02-05 06:00:00", edited("2026-02-04 12:00:00", name="A", custom_view=view), record("3", name="Came")
    )


async def test_the_list_of_a_time(lab: Lab, site: Site) -> None:
    await story(lab)
    text = plain(await site.text("/past?on=2026-02-02"))
    assert "Cadences as they were on 2026-02-02 23:59:59" in text
    assert "Welcome default active" in text
    assert "Going" in text
    assert "Else" not in text
    assert "The organization other is watched since 2026-02-03 06:00:00 : of the time before nothing is known." in text
    now = plain(await site.text("/past?on=2026-02-05&org=default"))
    assert "A default active" in now
    assert "Going" not in now
    assert "nothing is known" not in now
    assert "Going" in plain(await site.text("/past?on=2026-02-02&search=GOI"))
    assert "No cadence like that" in plain(await site.text("/past?on=2026-02-02&search=x"))
    assert "A default" not in plain(await site.text("/past?on=2026-02-04&axis=observed"))
    assert "A default" in plain(await site.text("/past?on=2026-02-04"))
    assert "Choose a day" in plain(await site.text("/past"))


async def test_a_link_of_the_list_shows_the_cadence_at_that_time(lab: Lab, site: Site) -> None:
    await story(lab)
    text = await site.text("/past?on=2026-02-02&on_time=08:00")
    path = re.findall(r'href="(/cadences/default/1/at[^"]*)"', text)[0].replace("&amp;", "&")
    shown = await site.text(path)
    assert "Name Welcome" in plain(shown)
    assert 'value="2026-02-02"' in shown
    assert 'value="08:00:00"' in shown


async def test_the_list_of_a_time_for_spreadsheets(lab: Lab, site: Site) -> None:
    await story(lab)
    body = (await site.text("/past.csv?on=2026-02-02")).removeprefix("\ufeff")
    assert [row["name"] for row in csv.DictReader(io.StringIO(body))] == ["Going", "Welcome"]
    await site.text("/past.csv", status=400)


async def test_the_difference_between_two_times(lab: Lab, site: Site) -> None:
    await story(lab)
    text = plain(await site.text("/past/difference?from=2026-02-02&to=2026-02-05"))
    assert "3 cadences are not the same on 2026-02-02 00:00:00 and on 2026-02-05" in text
    assert (
        "A changed in default side by side who and when"
        " Name : Welcome → became A View : All Contacts → became Hot leads" in text
    )
    assert "Came created" in text
    assert "Going deleted" in text
    assert "Else" not in text
    assert "The organization other is watched since" in text
    assert "0 cadences are" in plain(await site.text("/past/difference?from=2026-02-02&to=2026-02-03"))
    assert "3 cadences are" in plain(await site.text("/past/difference?from=2026-02-02"))
    seen = "/past/difference?from=2026-02-02&to=2026-02-05&axis="
    assert "who and when" in await site.text(f"{seen}valid")
    assert "who and when" not in await site.text(f"{seen}observed")
    early = await site.text("/past/difference?from=2026-01-02&org=default")
    assert "The organization default is watched since" in plain(early)
    assert "cadences are not the same" not in early
    since = re.search(r'Nothing can be compared. <a href="([^"]*)">What differs since', early)
    assert since is not None
    assert "3 cadences are" in plain(await site.text(since[1].replace("&amp;", "&")))


async def test_times_that_make_no_sense_are_said_beside_the_form(lab: Lab, site: Site) -> None:
    await story(lab)
    for path, reported in {
        "/past?on=x": "is no time",
        "/past?on=2031-01-01": "lies in the future",
        "/past/difference?from=2026-02-03&to=2026-02-02": "The first time lies after the second.",
        "/past/difference?to=2026-02-02": "It needs the day to compare with.",
        "/past/difference?from=x": "is no time",
    }.items():
        text = await site.text(path, status=400)
        assert reported in text, path
        assert "<form" in text.partition("<main")[2].partition("</main")[0]
    assert "cannot be &#39;both&#39;" in await site.text("/past?axis=both", status=400)


async def test_days_begin_and_end_where_the_reader_is(lab: Lab, site: Site) -> None:
    """On 29 March 2026 Berlin's clocks go forward: that day has 23 hours."""
    await look(lab, "2026-02-01 06:00:00", record("1"))
    lab.clock.time = at("2026-04-02 00:00:00")
    await site.post("/time-zone", zone="Europe/Berlin", next="/")
    text = await site.text("/past/difference?from=2026-03-29&to=2026-03-29")
    assert 'datetime="2026-03-28T23:00:00+00:00"' in text
    assert 'datetime="2026-03-29T21:59:59+00:00"' in text
    skipped = await site.text("/past?on=2026-03-29&on_time=02:30")
    assert 'datetime="2026-03-29T01:30:00+00:00"' in skipped
    assert 'value="03:30:00"' in skipped
