"""The list of cadences: what it finds, in which order, and what a spreadsheet gets of it."""

import csv
import io
import re

import pytest

from cadence_sync.db.queries import current
from cadence_sync.ports import Org
from tests.reporting.looks import edited, look
from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Site

LEADS = {"api_name": "Leads", "id": "5"}
JAN = {"name": "Jan Novak", "id": "77"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)//",
    "javascript:alert(1)",
    "\u202egnp.exe\u202c \u0001\u0007\x1b[2J\x9b31m\x7f",
    "{{ 7 * 7 }}{% raw %}",
    "long " * 2_000,
)


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/cadences/[^"]*" title="[^"]*"><bdi class="name">([^<]*)</bdi>', page)


async def some(lab: Lab) -> None:
    await look(
        lab,
        "2026-02-01 06:00:00",
        record("1", name="beta"),
        record("2", name="Alpha", status="inactive", active=False, modified_by=JAN),
        record("3", name="gamma", module=LEADS, created_by=JAN),
        record("4", name="gone"),
    )
    await look(
        lab,
        "2026-02-02 06:00:00",
        edited("2026-02-01 12:00:00", "3", name="gamma", created_by=JAN, module=LEADS),
        record("1", name="beta"),
        record("2", name="Alpha", status="inactive", active=False, modified_by=JAN),
    )
    await look(lab, "2026-02-02 06:00:00", record("9", name="alpha of the others"), org=Org("other org/é", "eu"))


async def test_the_list_is_searched_filtered_and_sorted(lab: Lab, site: Site) -> None:
    await some(lab)
    for query, expected in {
        "": ["Alpha", "alpha of the others", "beta", "gamma"],
        "?order=desc": ["gamma", "beta", "alpha of the others", "Alpha"],
        "?org=default": ["Alpha", "beta", "gamma"],
        "?org=other+org/%C3%A9": ["alpha of the others"],
        "?search=ALPH": ["Alpha", "alpha of the others"],
        "?search=al%25": [],
        "?search=3": ["gamma"],
        "?status=inactive": ["Alpha"],
        "?module=Leads": ["gamma"],
        "?module=Contacts&org=default": ["Alpha", "beta"],
        "?person=77": ["Alpha", "gamma"],
        "?state=deleted": ["gone"],
        "?state=all&search=o": ["alpha of the others", "gone"],
        "?sort=changed&order=desc&org=default": ["gamma", "beta", "Alpha"],
    }.items():
        assert names(await site.text(f"/cadences{query}")) == expected, query


async def test_what_cannot_be_asked_for_is_said_in_one_sentence(site: Site) -> None:
    long = "x" * 201
    for query in ("sort=digest", "state=x", "order=x", "page=0", "page=x", "search=%00", f"search={long}"):
        assert "The filter &#39;" in await site.text(f"/cadences?{query}", status=400)


async def test_pages_hold_each_cadence_once(lab: Lab, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.web.views.cadences.LIST_SIZE", 7)
    await lab.sync(*(record(str(number), name="the same") for number in range(20)))
    pages = [await site.text(f"/cadences?page={number}") for number in (1, 2, 3)]
    found = [re.findall(r'href="/cadences/default/(\d+)"', page) for page in pages]
    assert [len(page) for page in found] == [7, 7, 6]
    assert [each for page in found for each in page] == sorted(str(number) for number in range(20))
    assert "Page 2 of 3, 20 rows" in pages[1]


async def test_a_name_is_never_markup(lab: Lab, site: Site) -> None:
    await lab.sync(
        *(record(str(number), name=name) for number, name in enumerate(HOSTILE)), record("e", name=" \u200b")
    )
    text = await site.text("/cadences")
    assert "<script" not in text
    assert "<img" not in text
    assert "{{ 7 * 7 }}{% raw %}" in text
    assert "gnp.exe" in text
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text) is None
    assert "(without a name)" in text
    assert len(text) < 60_000, "a name of 10,000 characters is cut"


async def test_a_spreadsheet_gets_everything_and_runs_nothing(lab: Lab, site: Site) -> None:
    formulas = ["Q3;=1", 'a, "@SUM(A1)"', "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", "\uff1d1"]
    await lab.sync(*(record(str(number), name=name) for number, name in enumerate([*formulas, 'a,"b"\nc', "ü"])))
    response = await site.get("/cadences.csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="cadences.csv"'
    assert response.content_type == "text/csv"
    body = await response.read()
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    inert = {"Q3;'=1", 'a,\' "@SUM(A1)"', "'\t'=1", *(f"'{text}" for text in formulas[2:] if text[0] != "\t")}
    assert {row["name"] for row in rows} == {*inert, 'a,"b"\nc', "ü"}
    assert {row["created_time"] for row in rows} == {"2024-07-18T03:38:22+00:00"}
    assert {row["active"] for row in rows} == {"yes"}


async def test_times_are_in_the_zone_that_was_chosen(lab: Lab, site: Site) -> None:
    await lab.sync(record("1"))
    await site.post("/time-zone", "/cadences", zone="Asia/Kolkata", next="/cadences")
    assert ">2024-07-18 11:31</time>" in await site.text("/cadences")
    assert "2024-07-18T09:08:22+05:30" in await site.text("/cadences.csv")


async def test_many_are_sent_in_parts(lab: Lab, site: Site) -> None:
    await lab.sync(*(record(str(number)) for number in range(1_200)))
    assert len((await site.text("/cadences.csv")).splitlines()) == 1_201


async def test_every_order_has_its_column(lab: Lab, site: Site) -> None:
    await lab.sync(record("1"))
    assert set(re.findall(r"[?&;]sort=(\w+)", await site.text("/cadences"))) == set(current.SORTS) - {"org"}
