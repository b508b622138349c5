"""A person's name goes from every table, the history stays, and nothing but that can be rewritten."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from cadence_sync.db import redaction
from cadence_sync.db.engine import LOCK_ORG
from cadence_sync.db.integrity import examine
from cadence_sync.db.redaction import Redaction, organizations, redact_person
from cadence_sync.errors import DatabaseError, NotFoundError, OrgBusyError
from cadence_sync.ports import Actor, Org
from tests.support.lab import ORG, Lab, WrittenSource
from tests.support.records import listing, record
from tests.support.redaction import everything

PAT = "3652397000000186017"
ANA = {"id": "77", "name": "Ana Lind"}
NAMES = ("Patricia", "Boyle", "pat@x.io", "Zoë Ünal", "Zo\\u00eb")
REWRITTEN = {
    f"cadence_sync.{column}"
    for column in (
        *("cadence_versions.raw", "cadence_changes.changed_by_name", "cadences.created_by_name"),
        *(
            "cadences.modified_by_name",
            "cadences.extra",
            "quarantined_records.raw",
            "schema_drift.sample",
            "orgs.fence",
        ),
    )
}
ME = Actor("me")
ENTRIES = ("cadence_sync.redactions", "cadence_sync.audit_log")
AUDIT = "SELECT * FROM cadence_sync.redactions ORDER BY org_id, redaction_id"
ENTER = "INSERT INTO cadence_sync.redactions (org_id, user_id, redacted_by) VALUES ('{}', '1', 'me')"


def pat(name: str = "Patricia Boyle", **more: object) -> dict[str, object]:
    return {"id": PAT, "name": name} | more


def page(*records: str) -> bytes:
    info = f'{{"per_page":200,"count":{len(records)},"page":1,"more_records":false}}'
    return f'{{"cadences":[{",".join(records)}],"info":{info}}}'.encode()


def last_page(lab: Lab) -> bytes:
    """Return the listing of `lived_through` as it is in the end."""
    edited = lab.clock.now().isoformat()
    owner = pat("Zoë Ünal", email="pat@x.io", big=2**63)
    return page(
        json.dumps(record("1", name="New", modified_time=edited, modified_by=pat(email="pat@x.io"), owner=owner)),
        json.dumps(record("2", created_by=ANA, modified_by=ANA, owners=[ANA, {"x": "y" * 120}, int(PAT), owner])),
        json.dumps(record("3", created_by=pat("Zoë Ünal"), modified_by=ANA), ensure_ascii=False),
        '{"id":"4","name":"x","created_by":{"name":"Patricia Boyle","id":' + PAT + '},"summary":"unreadable"}',
        '{"id":"5","name":NaN,"note":"by Zo\\u00eb \\u00dcnal","created_by":{"name":"Patricia Boyle","id":"'
        + PAT
        + '"}}',
    )


async def lived_through(lab: Lab) -> Lab:
    """Five runs in which one person is everywhere that a person can be."""
    await lab.sync(record("1"), record("2"), record("9"))
    await lab.sync(record("1", name="Mid"), record("2", created_by=ANA, modified_by=ANA))
    report = await lab.sync(body=last_page(lab))
    assert (report.exit_code, report.error) == (7, None)
    return lab


@pytest.fixture
async def lived(lab: Lab) -> Lab:
    return await lived_through(lab)


async def named(lab: Lab) -> list[str]:
    """Return where in any table or view one of the names stands."""
    return [where for where, value in await everything(lab) if any(name in value for name in NAMES)]


async def redact(lab: Lab, org_id: str = "default") -> Redaction:
    done = await redact_person(lab.engine, org_id, PAT, ME)
    assert done is not None
    return done


async def test_no_name_is_left_in_any_table_or_view_and_all_else_is(lived: Lab) -> None:
    assert len(await named(lived)) > 20
    before = await everything(lived, but=ENTRIES)
    done = await redact(lived)
    assert await named(lived) == []
    assert all(done.counts.values()), done.counts
    after = await everything(lived, but=ENTRIES)
    assert [where for where, _ in after] == [where for where, _ in before]
    changed = {where for (where, old), (_, new) in zip(before, after, strict=True) if old != new}
    assert {where for where in changed if where.startswith("cadence_sync.")} == REWRITTEN
    assert [finding.what for finding in await examine(lived.engine) if not finding.ok] == []


async def test_of_raw_records_only_the_names_differ(lived: Lab) -> None:
    raws = "SELECT cadence_id, version, raw::text AS raw FROM cadence_sync.cadence_versions ORDER BY 1, 2"
    before = await lived.rows(raws)
    await redact(lived)
    names = ('"Patricia Boyle"', '"pat@x.io"', '"Zo\\u00eb \\u00dcnal"', '"Zoë Ünal"')

    def without(raw: str | None) -> str | None:
        for name in names:
            raw = raw and raw.replace(name, '"redacted"')
        return raw

    assert [row | {"raw": without(row["raw"])} for row in before] == await lived.rows(raws)


async def test_other_people_and_configuration_keep_their_names(lab: Lab) -> None:
    rules = [{"id": "1", "type": "criteria", "details": pat()}]
    mine = record("1", name="Patricia Boyle's", description="by Patricia Boyle", created_by=ANA)
    await lab.sync(mine | {"execution_details": {"unenroll_properties": rules}})
    done = await redact(lab)
    assert done.kept == 1
    row = await lab.row("SELECT c.*, v.raw, v.document FROM cadence_sync.cadences c, cadence_sync.cadence_versions v")
    assert (row["name"], row["description"]) == ("Patricia Boyle's", "by Patricia Boyle")
    assert (row["created_by_name"], row["modified_by_name"], row["modified_by_id"]) == ("Ana Lind", "redacted", PAT)
    assert row["raw"]["execution_details"] == row["document"]["execution_details"] | row["raw"]["execution_details"]
    assert row["raw"]["modified_by"] == {"id": PAT, "name": "redacted"}


async def test_it_leaves_an_audit_row_and_a_second_time_nothing(lived: Lab) -> None:
    done = await redact(lived)
    (row,) = await lived.rows(AUDIT)
    assert {name: row[name] for name in done.counts} == done.counts
    assert (row["org_id"], row["user_id"], row["redacted_by"]) == ("default", PAT, "me")
    entry = await lived.row("SELECT org_id, done_by, source, action, details FROM cadence_sync.audit_log")
    assert list(entry.values()) == ["default", "me", "cli", "redact-person", {"user_id": PAT, "rows": done.counts}]
    before = await lived.contents(), await lived.rows("SELECT fence FROM cadence_sync.orgs")
    again = await redact(lived)
    assert not any(again.counts.values())
    assert (await lived.contents(), await lived.rows("SELECT fence FROM cadence_sync.orgs")) == before


async def test_whoever_was_seen_without_a_name_is_entered_too(lab: Lab) -> None:
    nameless = {"created_by": {"id": PAT}, "modified_by": {"id": PAT}}
    await lab.sync(record("1", **nameless))
    assert not any((await redact(lab)).counts.values())
    assert len(await lab.rows(AUDIT)) == 1
    await lab.sync(record("1"))
    assert await named(lab) == []


async def test_whoever_was_never_seen_leaves_everything_as_it_was(lived: Lab) -> None:
    before = await lived.contents()
    for user_id in ("1", "2", "3652397000000002179", "3652397000000087529", PAT[:-1], "", "%", "x" * 300, "é"):
        assert await redact_person(lived.engine, "default", user_id, ME) is None
    assert await lived.contents() == before


async def test_organizations_are_apart(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1"), org=Org("other", "eu"))
    assert await organizations(lab.engine, None) == ["default", "other"]
    assert await organizations(lab.engine, "other") == ["other"]
    with pytest.raises(NotFoundError, match="no organization 'third'"):
        await organizations(lab.engine, "third")
    await redact(lab, "other")
    rows = await lab.rows("SELECT org_id, created_by_name AS name FROM cadence_sync.cadences ORDER BY 1")
    assert rows == [{"org_id": "default", "name": "Patricia Boyle"}, {"org_id": "other", "name": "redacted"}]
    await lab.sync(record("1", name="New"))
    assert (await lab.row("SELECT modified_by_name AS name FROM cadence_sync.cadences WHERE org_id = 'default'"))[
        "name"
    ] == "Patricia Boyle"


async def test_an_id_that_is_written_with_escapes_is_found(lab: Lab) -> None:
    ana = {"created_by": ANA, "modified_by": ANA}
    spelled = json.dumps(record("1", **ana, owner=pat())).replace(f'"{PAT}"', f'"{PAT[:-1]}\\u0037"')
    assert PAT not in spelled
    await lab.sync(body=page(spelled))
    assert (await redact(lab)).counts == {
        "cadence_versions": 1,
        "cadence_changes": 0,
        "cadences": 1,
        "quarantined_records": 0,
        "schema_drift": 1,
    }
    assert await named(lab) == []


async def test_what_is_left_in_extra_of_a_former_editor_goes_too(lab: Lab) -> None:
    await lab.sync(record("1", modified_by=pat(email="pat@x.io")))
    await lab.sync(record("1", created_by=ANA, modified_by=ANA, x={"modified_by": {"email": "ana@x.io"}}))
    row = "SELECT modified_by_id AS id, extra FROM cadence_sync.cadences"
    left = {"x": {"modified_by": {"email": "ana@x.io"}}}
    assert await lab.row(row) == {"id": "77", "extra": {"modified_by": {"email": "pat@x.io"}} | left}
    await redact(lab)
    assert await lab.row(row) == {"id": "77", "extra": {"modified_by": {"email": "redacted"}} | left}


async def test_what_only_the_current_row_holds_of_an_editor_goes_too(lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.sync(record("1", modified_by=pat(email="pat@x.io")))
    assert len(await lab.rows("SELECT * FROM cadence_sync.cadence_versions")) == 1
    await redact(lab)
    assert await named(lab) == []


async def test_a_long_history_is_redacted_in_all_its_blocks(lab: Lab) -> None:
    await lab.sync(*(record(str(number)) for number in range(1200)))
    done = await redact(lab)
    assert (done.counts["cadence_versions"], done.counts["cadences"]) == (1200, 1200)
    count = "SELECT count(*) AS n FROM cadence_sync.cadence_versions WHERE raw::text LIKE '%redacted%redacted%'"
    assert (await lab.row(count))["n"] == 1200
    left = "SELECT count(*) AS n FROM cadence_sync.cadence_versions WHERE raw::text LIKE '%Patricia%'"
    assert (await lab.row(left))["n"] == 0


async def test_the_same_listing_again_writes_nothing(lived: Lab) -> None:
    await redact(lived)
    before = await lived.contents()
    report = await lived.sync(body=lived.source.body)
    assert report.counters is not None
    assert (report.counters.unchanged, report.counters.updated, report.counters.quarantined) == (3, 0, 2)
    after = await lived.contents()
    assert {name: rows for name, rows in after.items() if name != "quarantined_records"} == {
        name: rows for name, rows in before.items() if name != "quarantined_records"
    }
    assert len(after["quarantined_records"]) == len(before["quarantined_records"]) + 2
    # Text without an id beside it says nothing to a later run: it knows no names any more.
    assert set(await named(lived)) == {"cadence_sync.quarantined_records.raw"}


@pytest.mark.parametrize("reencoded", [True, False])
async def test_what_zoho_goes_on_sending_is_redacted_before_it_is_compared(lab: Lab, reencoded: bool) -> None:
    first = record("1", owner=pat(email="pat@x.io"))
    await lab.sync(first)
    await redact(lab)
    await lab.execute("UPDATE cadence_sync.schema_drift SET last_seen_at = '2000-01-01'")
    spelled = page(json.dumps(first, indent=1)) if reencoded else listing([first | {"x": pat("Zoë Ünal")}])
    report = await lab.sync(body=spelled)
    assert report.counters is not None
    assert (report.exit_code, report.counters.unchanged) == (0, 1)
    assert len(await lab.rows("SELECT * FROM cadence_sync.cadence_versions")) == 1
    edited = (lab.clock.now()).isoformat()
    changed = first | {"name": "New", "modified_time": edited, "modified_by": pat("Zoë Ünal", email="pat@x.io")}
    await lab.sync(changed, record("2", created_time=edited, modified_time=edited))
    assert await lab.rows(
        "SELECT DISTINCT changed_by_id AS id, changed_by_name AS name FROM cadence_sync.cadence_changes"
    ) == [{"id": PAT, "name": "redacted"}]
    assert await named(lab) == []
    assert [finding.what for finding in await examine(lab.engine) if not finding.ok] == []
    before = await lab.contents()
    await lab.sync(body=lab.source.body)
    assert await lab.contents() == before


async def test_a_new_name_of_a_redacted_person_is_no_refresh(lab: Lab) -> None:
    await lab.sync(record("1"))
    await redact(lab)
    before = await lab.row("SELECT * FROM cadence_sync.cadences")
    await lab.sync(record("1", created_by=pat("Zoë Ünal"), modified_by=pat("Zoë Ünal")))
    after = await lab.row("SELECT * FROM cadence_sync.cadences")
    assert after.pop("digest") != before.pop("digest")
    assert after == before


async def test_a_preview_and_records_in_quarantine_show_no_name(lab: Lab) -> None:
    await lab.sync(record("1"))
    await redact(lab)
    broken = '{"id":"2","x":NaN,"created_by":{"name":"Patricia Boyle","id":"' + PAT + '"}}'
    report = await lab.sync(body=page(json.dumps(record("1")), broken))
    assert report.exit_code == 7
    assert await named(lab) == []


async def test_a_run_that_began_before_cannot_bring_the_name_back(lab: Lab) -> None:
    await lab.sync(record("1"))
    run = await lab.store.begin(ORG, "test", lab.clock.now())
    sync = lab.syncing(WrittenSource(listing([record("1", name="New")]), lab.clock))
    looked = await sync._fetch(run)
    await redact(lab)
    with pytest.raises(OrgBusyError):
        await sync._apply(run, *looked)
    assert await named(lab) == []


async def test_it_waits_for_a_run_that_writes(lab: Lab) -> None:
    await lab.sync(record("1"))
    async with lab.engine.begin() as other:
        await other.execute(LOCK_ORG, {"org_id": "default"})
        waiting = asyncio.create_task(redact(lab))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).counts["cadence_versions"] == 1


STEPS = [("_cadences", 2), ("_quarantine", 2), ("_drift", 1), ("_enter", 1), ("_versions", 2), ("_changes", 2)]


@pytest.mark.parametrize(("step", "call"), STEPS)
async def test_a_redaction_that_breaks_off_anywhere_changes_nothing(
    lived: Lab, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    real = getattr(redaction._OrgRedaction, step)
    calls = 0

    async def breaks(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = await real(*arguments, **named)
        if calls == call:
            raise DatabaseError("It broke.", code="BROKEN")
        return result

    before, orgs = await lived.contents(), await lived.rows("SELECT * FROM cadence_sync.orgs")
    with monkeypatch.context() as patch:
        patch.setattr(redaction._OrgRedaction, step, breaks)
        with pytest.raises(DatabaseError, match="It broke"):
            await redact(lived)
    assert calls == call
    assert (await lived.contents(), await lived.rows("SELECT * FROM cadence_sync.orgs")) == (before, orgs)


async def test_names_cannot_be_rewritten_without_an_audit_row_of_the_organization(lived: Lab) -> None:
    await lived.sync(record("1"), org=Org("other", "eu"))
    rewrites = (
        "UPDATE cadence_sync.cadence_versions SET raw = '{}' WHERE org_id = 'default'",
        "UPDATE cadence_sync.cadence_changes SET changed_by_name = 'x' WHERE org_id = 'default'",
    )
    await lived.execute(ENTER.format("default"))  # an audit row of another transaction is none
    before = await lived.contents()
    for rewrite in rewrites:
        for statements in ([rewrite], [ENTER.format("other"), rewrite], [rewrite, ENTER.format("default")]):
            with pytest.raises(DBAPIError, match="append-only"):
                await lived.execute(*statements)
    everywhere = [rewrite.partition(" WHERE")[0] for rewrite in rewrites]
    with pytest.raises(DBAPIError, match="append-only"):
        await lived.execute(ENTER.format("default"), everywhere[0])
    assert await lived.contents() == before


@pytest.mark.parametrize("forged", ["xid = '1'", "redacted_at = '2020-01-01'"])
async def test_an_audit_row_that_says_another_transaction_or_time_permits_nothing(lived: Lab, forged: str) -> None:
    column, _, value = forged.partition(" = ")
    enter = ENTER.replace("redacted_by)", f"redacted_by, {column})").replace("'me')", f"'me', {value})")
    with pytest.raises(DBAPIError, match="append-only"):
        await lived.execute(enter.format("default"), "UPDATE cadence_sync.cadence_versions SET raw = raw")


@pytest.mark.parametrize(
    ("table", "free"), [("cadence_versions", {"raw", "valid_to"}), ("cadence_changes", {"changed_by_name"})]
)
async def test_nothing_else_can_be_rewritten_in_a_redaction(lived: Lab, table: str, free: set[str]) -> None:
    columns = await lived.rows(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'cadence_sync'"
        f" AND table_name = '{table}' AND is_generated = 'NEVER'"
    )
    names = {row["name"] for row in columns}
    assert len(names) > 10
    assert free < names
    for name in names - free:
        value = "DEFAULT" if name == "change_id" else name
        for also in ("", ", raw = raw" if table == "cadence_versions" else ", changed_by_name = changed_by_name"):
            with pytest.raises(DBAPIError, match="append-only"):
                await lived.execute(ENTER.format("default"), f"UPDATE cadence_sync.{table} SET {name} = {value}{also}")
    for refused in (f"DELETE FROM cadence_sync.{table}", f"TRUNCATE cadence_sync.{table} CASCADE"):
        with pytest.raises(DBAPIError, match="append-only"):
            await lived.execute(ENTER.format("default"), refused)
    if table == "cadence_versions":
        with pytest.raises(DBAPIError, match="append-only"):
            await lived.execute(ENTER.format("default"), f"UPDATE cadence_sync.{table} SET valid_to = NULL")


@pytest.mark.parametrize(
    "refused",
    [
        "UPDATE cadence_sync.redactions SET redacted_by = 'nobody'",
        "DELETE FROM cadence_sync.redactions",
        "TRUNCATE cadence_sync.redactions",
    ],
)
async def test_audit_rows_are_append_only(lived: Lab, refused: str) -> None:
    await redact(lived)
    with pytest.raises(DBAPIError, match="append-only"):
        await lived.execute(refused)
