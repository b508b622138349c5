"""One cadence: its settings, its time line, two versions side by side, and how it was at a time."""

import re
from urllib.parse import quote

import pytest

from cadence_sync.ports import Org
from tests.reporting.looks import EVERY, RULES, edited, look
from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Site

VIEW = {"name": "Hot leads", "id": "88"}


def plain(page: str) -> str:
    """Return the text of a page, without what only programs read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition('tabindex="-1">')[2].partition("</main")[0]))


async def story(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    await look(lab, "2026-02-02 06:00:00", edited("2026-02-01 12:00:00", name="A", custom_view=VIEW))
    await look(
        lab, "2026-02-03 06:00:00", edited("2026-02-01 12:00:00", name="A", custom_view=VIEW, description="Text")
    )
    await look(
        lab, "2026-02-04 06:00:00", edited("2026-02-03 12:00:00", name="A", custom_view=VIEW, description="Text")
    )
    await look(lab, "2026-02-05 06:00:00", record("2"))
    await look(lab, "2026-02-06 06:00:00", record("2"), edited("2026-02-05 12:00:00", name="B", custom_view=VIEW))


async def test_words_of_zoho_are_shown_as_words(lab: Lab, site: Site) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1", name="A_b", type="manual_enrollment"))
    text = plain(await site.text("/cadences/default/1"))
    assert "How records enter manual enrollment" in text
    assert "A_b" in text


async def test_every_setting_says_since_when_and_by_whom(lab: Lab, site: Site) -> None:
    await story(lab)
    text = plain(await site.text("/cadences/default/1"))
    assert "Name B 2026-02-05 12:00 Jan Novak 5" in text
    assert "View Hot leads 2026-02-01 12:00 Jan Novak 2" in text
    assert "Status active at least 2026-02-01 06:00 \u2013 1" in text
    assert "Description Text at least 2026-02-03 06:00 \u2013 2" in text
    assert "Module Contacts" in text


async def test_the_time_line_tells_every_version(lab: Lab, site: Site) -> None:
    await story(lab)
    text = plain(await site.text("/cadences/default/1"))
    for reported in (
        "2026-02-01 06:00 was there when watching began",
        "2026-02-01 12:00 changed by Jan Novak , seen 2026-02-02 06:00 run 2 beside version 1",
        "Name : Welcome → became A View : All Contacts → became Hot leads",
        "2026-02-03 06:00 Description became known, not sent before: Text",
        "2026-02-03 12:00 changed by Jan Novak , seen 2026-02-04 06:00 run 4 beside version 2 Edited, but in no field",
        "2026-02-05 06:00 deleted by somebody unknown run 5",
        "2026-02-05 12:00 came back by Jan Novak , seen 2026-02-06 06:00",
        "Name : A → became B",
    ):
        assert reported in text
    assert "Last edited : " not in text


async def test_the_time_line_is_paged(lab: Lab, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await story(lab)
    monkeypatch.setattr("cadence_sync.web.views.cadences.TIMELINE_SIZE", 2)
    newest, older = await site.text("/cadences/default/1"), await site.text("/cadences/default/1?newest=3")
    assert re.findall(r'<li id="v(\d)"', newest) == ["5", "4"]
    assert re.findall(r'<li id="v(\d)"', older) == ["3", "2"]
    assert 'href="/cadences/default/1?newest=3#line"' in newest
    assert 'href="/cadences/default/1?newest=1#line"' in older
    assert 'href="/cadences/default/1?newest=5#line"' in older
    await site.text("/cadences/default/1?newest=6", status=400)


async def test_two_versions_side_by_side(lab: Lab, site: Site) -> None:
    await story(lab)
    text = plain(await site.text("/cadences/default/1/versions?old=1&new=2"))
    assert "Name Welcome A" in text
    assert "View All Contacts Hot leads" in text
    assert "Description not known yet Text" in text
    assert "Status" not in text
    everything = plain(await site.text("/cadences/default/1/versions?old=1&new=2&all=1"))
    assert "Status active active" in everything
    assert "Nothing differs." in plain(await site.text("/cadences/default/1/versions?old=2&new=2"))
    await site.text("/cadences/default/1/versions?old=1&new=9", status=400)


async def test_as_it_was(lab: Lab, site: Site) -> None:
    await story(lab)
    for query, reported in {
        "on=2026-02-01": "Name A",
        "on=2026-02-01&on_time=11:59": "Name Welcome",
        "on=2026-02-01&axis=observed": "Name Welcome",
        "on=2026-02-01T12:00:00Z": "Name A",
        "on=2026-02-01T17:29:59%2B05:30": "Name Welcome",
        "on=2026-01-31": "is watched since 2026-02-01 06:00:00 : of the time before nothing is known",
        "on=2026-02-05&on_time=07:00": "It was deleted then: since 2026-02-05 06:00 (version 4)",
        "on=2026-02-05": "Name B",
        "on=2026-02-06": "Name B",  # today has not ended yet
    }.items():
        assert reported in plain(await site.text(f"/cadences/default/1/at?{query}")), query


async def test_what_had_not_been_seen_is_not_shown(lab: Lab, site: Site) -> None:
    """The description became known on the 3rd: it was so before, but nobody had seen it."""
    await story(lab)
    assert "Description Text" in plain(await site.text("/cadences/default/1/at?on=2026-02-02"))
    assert "Description" not in plain(await site.text("/cadences/default/1/at?on=2026-02-02&axis=observed"))
    assert "It was not there then" in plain(await site.text("/cadences/default/2/at?on=2026-02-03"))


async def test_a_time_that_is_none_is_said_beside_the_form(lab: Lab, site: Site) -> None:
    await story(lab)
    for query, reported in {
        "on=yesterday": "&#39;yesterday&#39; is no time. Write a day like 2026-03-01",
        "on=2026-02-30": "is no time",
        "on=2027-01-01": "lies in the future",
        "on=9999-12-31": "is no time",
        "on_time=09:00": "The time &#39;09:00&#39; has no day",
        "on=2026-02-01&on_time=25:00": "is no time",
    }.items():
        text = await site.text(f"/cadences/default/1/at?{query}", status=400)
        assert reported in text
        assert 'name="on"' in text


async def test_days_are_those_of_the_chosen_zone(lab: Lab, site: Site) -> None:
    await story(lab)
    await site.post("/time-zone", zone="America/Los_Angeles", next="/")
    text = plain(await site.text("/cadences/default/1/at?on=2026-01-31"))
    assert "As it was on 2026-01-31 23:59:59" in text
    assert "Name Welcome" in text, "the 31st of California ended at 8 o'clock of the 1st in UTC"


async def test_an_unknown_cadence_is_not_found(lab: Lab, site: Site) -> None:
    await lab.sync(record("1"))
    for path in ("default/9", "other/1", "default/%00", "default/..%2f..", "default/%27%3B--", "default/1/versions/2"):
        await site.text(f"/cadences/{path}", status=404)


async def test_ids_of_any_spelling_have_an_address(lab: Lab, site: Site) -> None:
    org, cadence_id = "a/b?c#d e&é%2F", "1"
    await lab.sync(record(cadence_id, name="Odd"), org=Org(org, "eu"))
    text = await site.text("/cadences")
    assert f'href="/cadences/{quote(org, safe="")}/1"' in text
    assert "Odd" in await site.text(f"/cadences/{quote(org, safe='')}/1")


async def test_unknown_fields_and_rules_are_shown(lab: Lab, site: Site) -> None:
    await lab.sync(record("1", surprise={"<b>": 1}, execution_details=EVERY | {"unenroll_properties": RULES}))
    text = await site.text("/cadences/default/1")
    assert "{&#34;&lt;b&gt;&#34;: 1}" in text
    assert "Rules by which records leave" in text
    assert "Rule by which records leave" not in text
