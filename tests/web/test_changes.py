"""The feed of changes: what it finds, page after page, and as Atom."""

import base64
import re
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from cadence_sync.ports import Org
from tests.reporting.looks import edited, look
from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Site

ATOM = "{http://www.w3.org/2005/Atom}"
MARK = re.compile(r'rel="next" href="([^"]*)"')


def changed(page: str) -> list[str]:
    """Return cadence and version of every entry, as the web UI has them."""
    return re.findall(r'href="/cadences/[^/]*/(\d+\?newest=\d+)#', page)


def entries(text: str) -> list[ET.Element]:
    return ET.fromstring(text).findall(f"{ATOM}entry")  # noqa: S314 - our own


async def story(lab: Lab) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"), record("2"))
    await look(lab, "2026-02-02 06:00:00", edited("2026-02-01 12:00:00", name="A"), record("2"))
    await look(lab, "2026-02-03 06:00:00", edited("2026-02-02 12:00:00", name="A", active=False), record("2", name="2"))
    await look(lab, "2026-02-04 06:00:00", record("2", name="2"), record("3", name="New"))
    await look(lab, "2026-02-05 06:00:00", edited("2026-02-04 12:00:00", name="B"), record("2", name="2"))
    await look(lab, "2026-02-05 06:00:00", record("8"), org=Org("other", "eu"))
    await look(lab, "2026-02-06 06:00:00", record("8", name="Else"), org=Org("other", "eu"))


async def test_the_feed_is_filtered(lab: Lab, site: Site) -> None:
    assert "Nothing has changed yet." in await site.text("/changes")
    await story(lab)
    everything = ["8?newest=2", "3?newest=2", "1?newest=5", "3?newest=1", "1?newest=4"]
    everything += ["2?newest=2", "1?newest=3", "1?newest=2"]
    for query, expected in {
        "": everything,
        "?org=default": everything[1:],
        "?org=other": everything[:1],
        "?person=77": ["1?newest=5", "1?newest=3", "1?newest=2"],
        "?kind=deleted": ["3?newest=2", "1?newest=4"],
        "?kind=created&org=default": ["3?newest=1"],
        "?kind=restored": ["1?newest=5"],
        "?field=name": ["8?newest=2", "2?newest=2", "1?newest=2"],
        "?field=active": ["1?newest=3"],
        "?field=active&person=77&kind=updated": ["1?newest=3"],
        "?field=active&person=78": [],
        "?search=b": ["1?newest=5", "1?newest=4", "1?newest=3", "1?newest=2"],
        "?search=8": ["8?newest=2"],
        "?search=wel&field=name": ["8?newest=2", "2?newest=2", "1?newest=2"],  # the name before counts, too
        "?search=w_l": [],
        "?since=2026-02-04&until=2026-02-05": everything[1:5],
        "?since=2026-02-04&since_time=12:00:01": everything[:2],
        "?until=2026-02-01": ["1?newest=2"],
    }.items():
        assert changed(await site.text(f"/changes{query}")) == expected, query


async def test_a_creation_is_its_creators_also_where_another_edited_it_since(lab: Lab, site: Site) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    maker, editor = {"id": "5", "name": "Mei"}, {"id": "6", "name": "Ravi"}
    made = edited("2026-02-01 13:00:00", "2", created_time="2026-02-01T12:00:00+00:00", created_by=maker)
    await look(lab, "2026-02-02 06:00:00", record("1"), made | {"modified_by": editor})
    assert await lab.rows("SELECT changed_by_id FROM cadence_sync.cadence_changes") == [{"changed_by_id": None}]
    assert '<span title="5"><bdi>Mei</bdi></span>' in await site.text("/changes?kind=created")
    assert changed(await site.text("/changes?person=5")) == ["2?newest=1"]
    assert changed(await site.text("/changes?person=5&org=default&kind=created")) == ["2?newest=1"]
    assert changed(await site.text("/changes?person=6")) == []
    assert "Mei" in await (await site.get("/changes.atom")).text()


async def test_somebody_without_an_id_has_a_name(lab: Lab, site: Site) -> None:
    await look(lab, "2026-02-01 06:00:00", record("1"))
    kim = {"name": "Kim Only"}
    await look(lab, "2026-02-02 06:00:00", edited("2026-02-01 12:00:00", name="A") | {"modified_by": kim})
    assert "by <span><bdi>Kim Only</bdi></span>" in await site.text("/changes")
    assert "Kim Only" in await (await site.get("/changes.atom")).text()


async def test_a_name_that_no_index_holds_is_stored(lab: Lab, site: Site) -> None:
    """Letters that do not compress: a row of an index has room for a third of a page."""
    letters = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(6000))
    await lab.sync(record("1", name=letters))
    assert (await lab.sync(record("1", name="Short"))).error is None
    assert changed(await site.text("/changes?search=short")) == ["1?newest=2"]


async def test_every_entry_says_what_was_and_who_changed_it(lab: Lab, site: Site) -> None:
    await story(lab)
    text = await site.text("/changes?field=name&person=77")
    assert '<span title="77"><bdi>Jan Novak</bdi></span>' in text
    assert "<del><bdi>Welcome</bdi></del>" in text
    assert "<ins><bdi>A</bdi></ins>" in text
    assert '<option value="77" selected>Jan Novak</option>' in text
    assert "modified_time: " not in text


async def test_pages_neither_repeat_nor_leave_out(lab: Lab, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.web.views.changes.SIZE", 2)
    await lab.sync(*(record(str(number)) for number in range(7)))
    await lab.sync(*(record(str(number), name="at once") for number in range(7)))
    found, path = [], "/changes?kind=updated"
    while path:
        page = await site.text(path)
        found += changed(page)
        following = MARK.search(page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert sorted(found) == [f"{number}?newest=2" for number in range(7)]


async def test_what_cannot_be_asked_for_is_said_in_one_sentence(site: Site) -> None:
    for mark in (
        b'["2026-11-24T00:00:00Z","default","1\\u0000",1]',
        b'["2026-11-24T00:00:00Z","default","1",9223372036854775808]',
        b'["0001-01-01T00:00:00+23:00","default","1",2]',
        b'["2026-11-24T00:00:00","default","1",2]',
    ):
        assert (await site.get(f"/changes?after={base64.urlsafe_b64encode(mark).decode()}")).status == 400
    for query in (
        "field=nothing",
        "kind=baseline",
        "after=x",
        "after=bm8",
        "since=x",
        "person=%00",
        "after=%C3%A9",
        "since=2026-02-02&until=2026-02-01",
    ):
        assert "hint" not in await site.text(f"/changes?{query}", status=400), query


async def test_the_feed_as_atom(lab: Lab, site: Site) -> None:
    await story(lab)
    response = await site.get("/changes.atom?org=default")
    assert response.headers["Content-Type"] == "application/atom+xml"
    text = await response.text()
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert text.startswith("<?xml version='1.0' encoding='utf-8'?>\n<feed xmlns=")
    for element in (root, *entries(text)):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{name}")) == 1
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")}
    base = f"http://{site.client.host}:{site.client.port}"
    assert links == {"self": f"{base}/changes.atom?org=default", "alternate": f"{base}/changes?org=default"}
    found = {entry.findtext(f"{ATOM}title"): entry for entry in entries(text)}
    entry = next(each for each in entries(text) if "Active: yes" in str(each.findtext(f"{ATOM}content")))
    assert entry.findtext(f"{ATOM}title") == "B: changed"
    assert entry.findtext(f"{ATOM}published") == "2026-02-02T12:00:00Z"
    assert entry.findtext(f"{ATOM}updated") == "2026-02-03T06:00:00Z"
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == "Jan Novak"
    assert entry.findtext(f"{ATOM}content") == "Active: yes → no"
    link = entry.find(f"{ATOM}link")
    assert link is not None
    path = urlsplit(link.get("href", ""))
    assert 'id="v3"' in await site.text(path.path)
    assert found["New: deleted"].findtext(f"{ATOM}author/{ATOM}name") == "unknown"
    assert found["New: deleted"].findtext(f"{ATOM}content") == "deleted"


async def test_ids_of_entries_stay_and_are_their_own(lab: Lab, site: Site) -> None:
    await story(lab)

    async def ids(path: str) -> list[str]:
        return [str(entry.findtext(f"{ATOM}id")) for entry in entries(await site.text(path))]

    before = await ids("/changes.atom")
    assert len(set(before)) == len(before) == 8
    assert all(each.startswith("urn:uuid:") for each in before)
    await look(lab, "2026-02-07 06:00:00", record("8", name="Later"), org=Org("other", "eu"))
    await look(lab, "2026-02-08 06:00:00", edited("2026-02-07 12:00:00", name="Renamed"), record("2", name="2"))
    assert (await ids("/changes.atom"))[2:] == before
    assert set(await ids("/changes.atom?org=other")) < set(await ids("/changes.atom"))


async def test_hostile_names_are_text_of_the_feed(lab: Lab, site: Site) -> None:
    await lab.sync(record("1"))
    name = "<b>&]]>\u0001\ufffe\u202e</title><script>"
    await lab.sync(record("1", name=name, modified_time="2024-08-01T00:00:00Z", modified_by={"name": name, "id": "5"}))
    text = await site.text("/changes.atom")
    entry = entries(text)[0]
    shown = "<b>&]]>\ufffd\ufffd\u202e</title><script>"
    assert entry.findtext(f"{ATOM}title") == f"{shown}: changed"
    assert "<script>" not in text
    assert "<script>" not in await site.text("/changes")


async def test_the_feed_goes_on(lab: Lab, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.web.views.changes.FEED_SIZE", 3)
    await story(lab)
    found, path = [], "/changes.atom?search=1"
    while path:
        root = ET.fromstring(await site.text(path))  # noqa: S314 - our own
        found += [entry.findtext(f"{ATOM}id") for entry in root.findall(f"{ATOM}entry")]
        following = root.find(f"{ATOM}link[@rel='next']")
        path = (
            ""
            if following is None
            else following.get("href", "").removeprefix(f"http://{site.client.host}:{site.client.port}")
        )
    assert len(set(found)) == len(found) == 4
