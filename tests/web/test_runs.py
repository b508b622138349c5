"""Runs and their story, what wants attention, and what can be done about it."""

import csv
import re

import pytest
from pydantic import SecretStr

from cadence_sync.errors import TransientError
from cadence_sync.ports import Org
from tests.reporting.looks import edited, look
from tests.support.lab import Lab, WrittenSource
from tests.support.records import listing, record
from tests.web.conftest import Open, Site

MANY = [record(str(number), name=f"Cadence <{number}>") for number in range(10)]


async def hold(lab: Lab) -> None:
    """Let a third run miss eight of ten cadences."""
    await lab.sync(*MANY)
    await lab.sync(*MANY[:9], record("9", name="New <name>"))
    report = await lab.sync(*MANY[:2])
    assert (report.to_json()["held"], report.run_id) == (8, 3)


async def failing(lab: Lab, org: str = "default") -> None:
    source = WrittenSource(listing([]), lab.clock, TransientError("Zoho <is> away.", hint="Wait & see."))
    await lab.syncing(source, Org(org, "us")).run("test")


async def test_a_run_tells_its_story(site: Site, lab: Lab) -> None:
    await hold(lab)
    text = await site.text("/runs/2?org=default")
    assert "It saw 10 cadences in 1 page; 1 changed; 9 as they were." in text
    assert "Cadence &lt;9&gt;" in text
    assert "<del><bdi>Cadence &lt;9&gt;</bdi></del>" in text
    assert "<ins><bdi>New &lt;name&gt;</bdi></ins>" in text
    text = await site.text("/runs/3")
    assert "Held: 8 cadences missing" in text
    assert "Cadence &lt;5&gt;" in text
    assert 'href="/cadences/default/5"' in text
    assert 'href="/audit"' in text
    assert "Approve: delete 8 cadences" in text
    assert "10 were there before anybody watched" in await site.text("/runs/1")


async def test_changes_are_found_also_where_a_clock_was_set_back(site: Site, lab: Lab) -> None:
    await lab.sync(record("1"))
    lab.clock.move(days=-1)
    await lab.sync(record("1", name="Later"))
    assert "<ins><bdi>Later</bdi></ins>" in await site.text("/runs/2")


async def test_many_changes_of_a_run_are_paged(site: Site, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence_sync.db.queries.runs.EDITS", 4)
    await lab.sync(*MANY)
    await lab.sync(*(record(str(number), name=f"Cadence {9 - number}") for number in range(10)))
    found = []
    for page in (1, 2, 3):
        text = await site.text(f"/runs/2?org=default&page={page}")
        assert f"Page {page} of 3, 10 rows" in text
        found += re.findall(r'<bdi class="name">Cadence (\d)</bdi>', text)
    assert found == list("0123456789")
    assert "There is no page 4." in await site.text("/runs/2?page=4", status=404)


async def test_pages_of_a_run_neither_repeat_nor_leave_out_where_a_clock_was_set_back(
    site: Site, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence_sync.db.queries.runs.EDITS", 4)
    times = ["2026-02-01 20:00:00", "2026-02-01 10:00:00"]
    await look(lab, "2026-02-01 06:00:00", *(record(str(number)) for number in range(10)))
    await look(
        lab, "2026-02-02 06:00:00", *(edited(times[number % 2], str(number), name=f"{number}") for number in range(10))
    )
    await lab.execute("UPDATE cadence_sync.sync_runs SET finished_at = '2026-02-01 15:00:00Z' WHERE run_id = 2")
    found = [
        each
        for page in (1, 2, 3)
        for each in re.findall(r'href="/cadences/default/(\d)[?]', await site.text(f"/runs/2?org=default&page={page}"))
    ]
    assert found == list("0123456789")


async def test_a_failed_run_says_why_and_what_to_do(site: Site, lab: Lab) -> None:
    await failing(lab)
    text = await site.text("/runs/1")
    assert "Zoho &lt;is&gt; away." in text
    assert "Wait &amp; see." in text
    assert "changed nothing" in text


async def test_unreadable_records_and_new_fields_are_shown(site: Site, lab: Lab) -> None:
    bad = record("1", summary={"email_follow_up_count": "<many>"})
    await lab.sync(bad, record("2", brand_new="<b>"))
    text = await site.text("/runs/1")
    assert "Records that could not be stored" in text
    assert "email_follow_up_count" in text
    text = await site.text("/organization?org=default")
    assert "brand_new" in text
    text = await site.text("/")
    assert "! unreadable" in text
    assert "new fields" in text


async def test_runs_are_filtered_and_paged(site: Site, lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1"), org=Org("other", "eu"))
    await failing(lab)
    for query, runs in (
        ("", [3, 2, 1]),
        ("?org=other", [2]),
        ("?outcome=failed", [3]),
        ("?outcome=changed", [2, 1]),
    ):
        text = await site.text(f"/runs{query}")
        assert [number for number in (3, 2, 1) if f">Run {number}<" in text] == runs
    assert "No run is like that" in await site.text("/runs?outcome=held")
    await lab.execute(
        "INSERT INTO cadence_sync.sync_runs (org_id, trigger, started_at, finished_at, outcome, host, pid,"
        " process_started, lease_until) SELECT 'other', 'test', now(), now(), 'succeeded', '', 1, '', now()"
        " FROM generate_series(1, 60)"
    )
    first, second = await site.text("/runs?org=other"), await site.text("/runs?org=other&page=2")
    assert 'href="/runs?org=other&amp;page=2"' in first
    assert ">Run 2<" not in first
    assert ">Run 2<" in second
    assert 'rel="prev" href="/runs?org=other"' in second
    await lab.execute("ALTER SEQUENCE cadence_sync.sync_runs_run_id_seq RESTART 1000000")
    await lab.sync(record("1"))
    first, second = await site.text("/runs"), await site.text("/runs?page=2")
    assert [f">Run {number}<" in first for number in (1000000, 63, 15, 14)] == [True, True, True, False]
    assert [f">Run {number}<" in second for number in (15, 14, 1)] == [False, True, True]


async def test_a_decision_on_the_page_is_announced(opened: Open, lab: Lab) -> None:
    await hold(lab)
    site = await opened(alert_urls=SecretStr("json://127.0.0.1:1"))
    assert (await site.post("/runs/3/reject", page="/runs/3")).status == 303
    (row,) = await lab.rows("SELECT * FROM cadence_sync.alert_outbox")
    assert (row["org_id"], row["channel"]) == ("default", "url-1")


async def test_approving_lets_the_next_sync_delete_them(site: Site, lab: Lab) -> None:
    await hold(lab)
    response = await site.post("/runs/3/approve", page="/runs/3")
    assert (response.status, response.headers["Location"]) == (303, "/runs/3")
    text = await site.text("/runs/3")
    assert "Deletion of 8 cadences approved." in text
    assert "loopback (page) approved this" in text
    assert "Approve: delete" not in text
    assert "Deletion of 8 cadences approved." not in await site.text("/runs/3")
    report = await lab.sync(*MANY[:2])
    assert (report.to_json()["deleted"], report.to_json()["held"]) == (8, 0)
    assert await lab.rows("SELECT org_id, done_by, action, run_id, result FROM cadence_sync.audit_log") == [
        {
            "org_id": "default",
            "done_by": "loopback",
            "action": "approve",
            "run_id": 3,
            "result": "approved: 8 cadences",
        }
    ]
    assert "approved: 8 cadences" in await site.text("/audit")
    assert "the deletion of 8 cadences" in await site.text("/runs/3")


async def test_a_decision_that_cannot_be_audited_is_none(site: Site, lab: Lab) -> None:
    await hold(lab)
    await lab.execute("ALTER TABLE cadence_sync.audit_log ADD CONSTRAINT shut CHECK (action <> 'approve')")
    assert (await site.post("/runs/3/approve", page="/runs/3")).status >= 500
    assert "Approve: delete 8 cadences" in await site.text("/runs/3")
    assert not await lab.rows("SELECT * FROM cadence_sync.deletion_decisions")


async def test_rejecting_keeps_them_and_says_who(opened: Open, lab: Lab) -> None:
    await hold(lab)
    user = {"X-User": "maria <m@example.com>"}
    site = await opened(web_user_header="X-User", web_trusted_proxies="127.0.0.1")
    site.client.session.headers.update(user)
    assert (await site.post("/runs/3/reject", page="/runs/3")).status == 303
    assert "maria &lt;m@example.com&gt; (page) rejected this" in await site.text("/runs/3")
    again = await site.post("/runs/1/reject", page="/runs/3")
    assert (again.status, "holds no deletions" in await again.text()) == (404, True)
    audit = await lab.rows("SELECT done_by, action, result FROM cadence_sync.audit_log ORDER BY action_id")
    assert [tuple(row.values()) for row in audit] == [
        ("maria <m@example.com>", "reject", "rejected: 8 cadences"),
        ("maria <m@example.com>", "reject", "refused: Run 1 holds no deletions."),
    ]
    assert (await lab.sync(*MANY[:2])).to_json()["deleted"] == 0


async def test_what_is_missing_is_shown_as_missing(site: Site, lab: Lab) -> None:
    await hold(lab)
    assert "Missing: it has not been" in await site.text("/cadences/default/5")
    await site.post("/runs/3/reject", page="/runs/3")
    await lab.sync(*MANY[:2])
    assert "Missing: it has not been" in await site.text("/cadences/default/5")
    assert "Missing: it has not been" not in await site.text("/cadences/default/1")
    assert (await site.text("/cadences")).count(">missing<") == 8
    link = re.search(r'<a href="([^"]*)">8 missing in Zoho</a>', await site.text("/organization?org=default"))
    assert link is not None
    text = await site.text(link[1].replace("&amp;", "&"))
    assert "8 cadences ·" in text
    header, *rows = csv.reader((await site.text("/cadences.csv?state=missing")).splitlines())
    assert header[-1] == "missing_since"
    assert all(row[-1].startswith("2026-01-05T") for row in rows)
    assert len(rows) == 8


async def test_what_may_be_deleted_is_not_called_live_for_good(site: Site, lab: Lab) -> None:
    await hold(lab)
    await site.post("/runs/3/approve", page="/runs/3")
    assert "was approved: the next sync does it." in await site.text("/cadences/default/5")
    assert "No cadence is like that." in await site.text("/cadences?state=missing")
    assert "missing in Zoho" not in await site.text("/organization?org=default")


async def test_a_decision_of_yesterday_leads_to_what_awaits_one(site: Site, lab: Lab) -> None:
    await hold(lab)
    csrf = await site.csrf("/runs/3")
    await lab.sync(*MANY[:1])
    late = await site.client.post("/runs/3/approve", data={"csrf": csrf})
    assert (late.status, "“Attention” lists what awaits" in await late.text()) == (404, True)


async def test_a_sync_is_asked_for(site: Site, lab: Lab) -> None:
    assert (await site.post("/organization/sync", org="default")).status == 404
    await lab.sync(record("1"))
    response = await site.post("/organization/sync", org="default")
    assert (response.status, site.asked) == (303, ["default"])
    text = await site.text(response.headers["Location"])
    assert "A sync of default is queued." in text
    assert '<td data-label="What">sync</td>' in text


async def test_what_people_did_is_not_rewritten(site: Site, lab: Lab) -> None:
    await lab.sync(record("1"))
    await site.post("/organization/sync", org="default")
    for statement in ("UPDATE cadence_sync.audit_log SET done_by = 'x'", "DELETE FROM cadence_sync.audit_log"):
        try:
            await lab.execute(statement)
        except Exception as error:  # noqa: BLE001 - whatever the driver calls it
            assert "append-only" in str(error)  # noqa: PT017 - one of two
        else:
            raise AssertionError(statement)


async def test_attention_names_every_kind_and_pages(site: Site, lab: Lab) -> None:
    await hold(lab)
    await failing(lab, "broken")
    await lab.sync(record("1"), org=Org("tired", "us"))
    lab.clock.move(hours=1)
    text = await site.text("/attention")
    for words in ("! held", "✗ failing", "✗ stale", "Zoho &lt;is&gt; away."):
        assert words in text
    text = await site.text("/attention?kind=stale")
    assert ">tired<" in text
    assert "! held" not in text
    for path in ("/attention?org=broken", "/?org=broken"):
        text = await site.text(path)
        assert "✗ failing" in text
        assert "nobody has decided yet" not in text
    await lab.execute("UPDATE cadence_sync.orgs SET enabled = false")
    text = await site.text("/attention")
    assert "✗" not in text
    assert "! held" in text


async def test_the_overview_of_many_organizations_is_paged(site: Site, lab: Lab) -> None:
    await lab.execute(
        "INSERT INTO cadence_sync.orgs (org_id, data_center)"
        " SELECT 'org-' || n, 'us' FROM generate_series(100, 160) AS n"
    )
    text = await site.text("/")
    assert "Page 1 of 3, 61 rows" in text
    assert text.count('<a href="/organization?org=org-1') == 25
    assert "org-160" in await site.text("/?search=160")
