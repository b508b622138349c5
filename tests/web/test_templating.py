"""The frame of every page: headers, escaping, errors, time zones."""

import re

import pytest

from tests.support.lab import Lab
from tests.support.records import record
from tests.web.conftest import Open, Site

HOSTILE = "<script>alert(1)</script>\"'&lt;{{7*7}}"
PATHS = ["/", "/runs", "/runs/1", "/attention", "/audit", "/organization?org=default", "/nowhere", "/runs?outcome=odd"]


async def test_the_overview_shows_what_is_stored(site: Site, lab: Lab) -> None:
    assert "No organization has been synced yet" in await site.text("/")
    await lab.sync(record("1"), record("2", status=HOSTILE, module={"api_name": HOSTILE, "id": "5"}))
    text = await site.text("/")
    assert ">default</a>" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "49" not in re.findall(r"alert\(1\).{0,40}", text)
    bars = re.findall(r'<rect [^>]*height="([\d.]+)"[^>]*class="rect', text)
    assert len(bars) == 2
    assert all(float(height) > 0 for height in bars)


async def test_every_answer_has_the_headers(site: Site, lab: Lab) -> None:
    await lab.sync(record("1"))
    for path in (*PATHS, "/login", "/static/style.css", "/static/nothing", "/time-zone"):
        response = await site.get(path, allow_redirects=False)
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert "Permissions-Policy" in response.headers
        kept = "immutable" if path == "/static/style.css" else "no-store"
        assert kept in response.headers["Cache-Control"]


async def test_no_page_holds_what_the_policy_forbids(site: Site, lab: Lab) -> None:
    await lab.sync(record("1"))
    forbidden = re.compile(r"<style|<script(?! src=)|\sstyle=|\son[a-z]+=|javascript:|https?://(?!www\.w3\.org)")
    for path in PATHS:
        text = await (await site.get(path)).text()
        assert forbidden.search(text) is None
        assert '<html lang="en">' in text
        assert text.count("<h1") == 1


async def test_errors_are_pages_with_a_hint(site: Site) -> None:
    for path, status, words in (
        ("/nowhere", 404, "There is no such page"),
        ("/runs/999", 404, "There is no such run"),
        ("/runs/%D9%A1", 404, "There is no such page"),
        ("/organization?org=%3Cb%3Enobody", 404, "There is no organization &#39;&lt;b&gt;nobody"),
        ("/organization", 400, "No organization is named"),
        ("/runs?outcome=odd", 400, "cannot be &#39;odd&#39;"),
        ("/runs?page=0", 400, "is no number from 1"),
        ("/runs?page=%D9%A1", 400, "is no number from 1"),
        ("/runs?org=%00", 400, "is too long, or no text"),
        ("/time-zone", 405, "cannot be done at this address"),
    ):
        assert words in await site.text(path, status)


LISTS = ("/", "/cadences", "/changes", "/past?on=2026-01-01", "/past/difference?from=2026-01-01", "/runs", "/attention")


@pytest.mark.parametrize("path", [*LISTS, "/audit", "/changes.atom", "/cadences.csv", "/past.csv?on=2026-01-01"])
async def test_an_organization_that_is_not_stored_has_no_empty_page(site: Site, lab: Lab, path: str) -> None:
    await lab.sync(record("1"))
    asked = f"{path}{'&' if '?' in path else '?'}org="
    assert "There is no organization" in await site.text(f"{asked}nobody", status=404)
    assert (await site.get(f"{asked}default")).status == 200


@pytest.mark.parametrize("path", [*(path for path in LISTS if path != "/changes"), "/audit"])
async def test_a_page_past_the_last_does_not_say_that_there_is_nothing(site: Site, lab: Lab, path: str) -> None:
    await lab.sync(record("1"))
    text = await site.text(f"{path}{'&' if '?' in path else '?'}page=9", status=404)
    assert "There is no page 9." in text


async def test_without_its_database_a_page_says_so(site: Site, lab: Lab) -> None:
    await lab.execute("ALTER TABLE cadence_sync.alembic_version RENAME TO away")
    text = await site.text("/", 503)
    assert "has no tables of cadence-sync" in text
    assert "cadence-sync migrate" in text


async def test_a_defect_is_a_page_that_tells_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    logged: list[object] = []
    monkeypatch.setattr("cadence_sync.db.queries.runs.list_runs", broken)
    monkeypatch.setattr(
        "cadence_sync.web.middleware.log.exception", lambda _event, path: logged.append(path), raising=False
    )
    text = await site.text("/runs", 500)
    assert "that is a defect" in text
    assert "secret detail" not in text
    assert logged == ["/runs"]


async def test_times_are_shown_in_the_zone_that_was_chosen(site: Site, lab: Lab) -> None:
    await lab.sync(record("1"))
    assert "2026-01-05 09:01" in await site.text("/runs")
    response = await site.post("/time-zone", zone="Asia/Kathmandu", next="/runs")
    assert (response.status, response.headers["Location"]) == (303, "/runs")
    text = await site.text("/runs")
    assert "2026-01-05 14:46" in text
    assert 'datetime="2026-01-05T09:01:00+00:00"' in text
    assert "<option selected>Asia/Kathmandu" in text
    assert (await site.post("/time-zone", zone="../../etc/passwd")).status == 400


async def test_a_cookie_that_somebody_made_up_is_a_new_session(opened: Open) -> None:
    site = await opened(web_token="a-token-of-some-length")
    for value in ("x", "gAAAAAB", ""):
        response = await site.get("/", headers={"Accept": "text/html", "Cookie": f"cadence_sync={value}"})
        assert response.url.path == "/login"
