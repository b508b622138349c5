"""What people did stays: audit log, reviews and redactions are append-only, and outlive an organization."""

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import DBAPIError

from cadence_sync.core.identity import RESERVED_NAMES, ROLES
from cadence_sync.db import audit, orgs
from cadence_sync.db.access_tokens import NewToken, create_token, revoke_token
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.db.engine import transaction
from cadence_sync.db.operators import redact_operator
from cadence_sync.db.redaction import redact_person
from cadence_sync.errors import ArgumentError
from cadence_sync.ports import Actor
from tests.support.databases import Databases
from tests.support.lab import Lab
from tests.support.records import record

PAT = "3652397000000186017"
ANA, KIM = Actor("ana@x.io", "web"), Actor("root (as ana@x.io)")
KEPT = ("audit_log", "deletion_decisions", "redactions")
OPERATOR = "SELECT set_config('cadence_sync.operator', '{}', true), set_config('cadence_sync.operator_salt', 's', true)"
ENTER = (
    "INSERT INTO cadence_sync.redactions (operator_digest, redacted_by, audit_log, deletion_decisions)"
    " VALUES (sha256('s{}'), 'me', {}, {})"
)


async def live(lab: Lab) -> None:
    """Write two reviews by one operator, under two names, and a redaction."""
    for by, decision in ((ANA, "approved"), (KIM, "rejected")):
        await lab.sync(*(record(str(number)) for number in range(10)))
        held = await lab.sync(record("0"))
        assert held.run_id is not None
        await review_deletions(lab.engine, held.run_id, decision, by)  # type: ignore[arg-type]
    await redact_person(lab.engine, "default", PAT, ANA)
    async with transaction(lab.engine) as connection:
        await audit.enter_login(connection, "ana@x.io", "192.0.2.7")
    await audit.enter_lockout(lab.engine, "192.0.2.8", 10)


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    with databases.lived_in(live) as name:
        yield name


async def entries(lab: Lab) -> list[tuple[object, ...]]:
    columns = "org_id, done_by, source, action, run_id, result"
    rows = await lab.rows(f"SELECT {columns} FROM cadence_sync.audit_log ORDER BY action_id")
    return [tuple(row.values()) for row in rows]


async def operators(lab: Lab) -> list[str]:
    return [
        row["name"]
        for row in await lab.rows(
            "SELECT done_by AS name FROM cadence_sync.audit_log"
            " UNION ALL SELECT details::text FROM cadence_sync.audit_log"
            " UNION ALL SELECT decided_by FROM cadence_sync.deletion_decisions"
            " UNION ALL SELECT redacted_by FROM cadence_sync.redactions"
        )
    ]


async def grant(lab: Lab, by: Actor) -> None:
    """Enter a grant to the database role "biacme" of one organization, as `grant-reader` does."""
    await audit.enter_alone(lab.engine, by, "grant-reader", "granted", details={"role": "biacme", "orgs": ["acme"]})


async def details(lab: Lab, action: str) -> list[object]:
    statement = "SELECT details FROM cadence_sync.audit_log WHERE action = :action ORDER BY action_id"
    return [row["details"] for row in await lab.rows(statement, action=action)]


async def refused(lab: Lab, *statements: str) -> None:
    before = await lab.contents()
    with pytest.raises(DBAPIError) as caught:
        await lab.execute(*statements)
    assert getattr(caught.value.orig, "sqlstate", None) == "23000"
    assert await lab.contents() == before


async def test_reviews_redactions_and_logins_are_entered(lab: Lab) -> None:
    assert await entries(lab) == [
        ("default", "ana@x.io", "web", "approve", 2, "approved: 9 cadences"),
        ("default", "root (as ana@x.io)", "cli", "reject", 4, "rejected: 9 cadences"),
        ("default", "ana@x.io", "web", "redact-person", None, "redacted"),
        (None, "ana@x.io", "web", "login_succeeded", None, "logged in"),
        (None, "unknown", "web", "login_locked", None, "locked out"),
    ]


@pytest.mark.parametrize("table", KEPT)
async def test_they_are_append_only(lab: Lab, table: str) -> None:
    columns = await lab.rows(
        f"SELECT column_name AS name FROM information_schema.columns WHERE table_name = '{table}'"
        " AND table_schema = 'cadence_sync'"
    )
    assert len(columns) > 5
    for column in columns:
        value = "DEFAULT" if column["name"] in {"action_id", "decision_id", "redaction_id"} else column["name"]
        await refused(lab, f"UPDATE cadence_sync.{table} SET {column['name']} = {value}")
    await refused(lab, f"DELETE FROM cadence_sync.{table}")
    await refused(lab, f"TRUNCATE cadence_sync.{table} CASCADE")


async def test_a_purge_keeps_what_people_did_and_is_entered_itself(lab: Lab) -> None:
    before = {table: await lab.rows(f"SELECT * FROM cadence_sync.{table}") for table in KEPT}
    counts = await orgs.purge(lab.engine, "default", Actor("kim"))
    assert counts["cadence_versions"] >= 10
    assert not counts.keys() & set(KEPT)
    after = {table: await lab.rows(f"SELECT * FROM cadence_sync.{table}") for table in KEPT}
    entry = after["audit_log"].pop()
    assert after == before
    assert (entry["org_id"], entry["done_by"], entry["action"]) == ("default", "kim", "org remove --purge")
    assert entry["details"] == {"rows": {table: count for table, count in counts.items() if count}}
    await refused(lab, "DELETE FROM cadence_sync.audit_log")


async def test_a_redaction_outlives_a_purge(lab: Lab) -> None:
    await orgs.purge(lab.engine, "default", Actor("kim"))
    await lab.sync(record("1"))
    assert await lab.rows("SELECT created_by_name AS name FROM cadence_sync.cadences") == [{"name": "redacted"}]


async def test_an_export_is_complete_and_in_order(lab: Lab) -> None:
    rows = await lab.rows("SELECT action_id, done_at FROM cadence_sync.audit_log ORDER BY action_id")
    exported = [dict(entry) async for entry in audit.stream_actions(lab.engine)]
    assert [(entry["action_id"], entry["done_at"]) for entry in exported] == [tuple(row.values()) for row in rows]
    theirs = [entry["org_id"] async for entry in audit.stream_actions(lab.engine, "default")]
    assert theirs == ["default"] * 3
    late = [entry["action_id"] async for entry in audit.stream_actions(lab.engine, since=rows[3]["done_at"])]
    assert late == [row["action_id"] for row in rows[3:]]


async def test_an_operators_name_goes_from_everywhere(lab: Lab) -> None:
    ana = Actor("ana@x.io")
    await create_token(lab.engine, NewToken("ana@x.io", "viewer", None, None), ana)
    await revoke_token(lab.engine, "ana@x.io", ana)
    held = await redact_operator(lab.engine, "ana@x.io", KIM, dry_run=True)
    assert held == {
        "audit_log.done_by": 6,
        "audit_log.details": 3,
        "deletion_decisions.decided_by": 2,
        "redactions.redacted_by": 1,
        "access_tokens.name": 1,
        "access_tokens.created_by": 1,
        "access_tokens.revoked_by": 1,
    }
    before = await entries(lab)
    done = await redact_operator(lab.engine, "ana@x.io", Actor("kim"))
    assert done == {"audit_log": 6, "deletion_decisions": 2, "redactions": 1, "access_tokens": 1}
    tokens = await lab.row("SELECT name, created_by, revoked_by FROM cadence_sync.access_tokens")
    assert tokens == {"name": "redacted", "created_by": "redacted", "revoked_by": "redacted"}
    assert [name for name in await operators(lab) if "ana" in name or "192.0.2.7" in name] == []
    *after, entry = await entries(lab)
    assert [(who, *rest) for who, *rest in after] == [
        (org, str(who).replace("ana@x.io", "redacted"), *rest) for org, who, *rest in before
    ]
    assert entry == (None, "kim", "cli", "redact-person --operator", None, "redacted")
    row = await lab.row("SELECT * FROM cadence_sync.redactions WHERE user_id IS NULL")
    assert {table: row[table] for table in done.keys() & row.keys()} == {name: done[name] for name in KEPT}
    assert (row["org_id"], row["closed"], row["redacted_by"]) == (None, True, "kim")


async def test_one_whom_no_entry_names_leaves_everything_as_it_was(lab: Lab) -> None:
    before = await lab.contents()
    for name in ("ana", "ana@x.i", "nobody", "", "\0", "redacted", "approved", "acme", "unknown@x.io", "%", "\udcff"):
        assert not any((await redact_operator(lab.engine, name, Actor("kim"))).values())
    assert await lab.contents() == before


@pytest.mark.parametrize("by", [ANA, KIM, Actor("ana@x.io (as root)")])
async def test_nobody_erases_their_own_name(lab: Lab, by: Actor) -> None:
    before = await lab.contents()
    with pytest.raises(ArgumentError):
        await redact_operator(lab.engine, "ana@x.io", by)
    assert await lab.contents() == before


async def test_a_database_role_is_no_operator(lab: Lab) -> None:
    await grant(lab, Actor("kim"))
    before = await lab.contents()
    for dry_run in (True, False):
        assert not any((await redact_operator(lab.engine, "biacme", Actor("eve"), dry_run=dry_run)).values())
    assert await lab.contents() == before


async def test_what_an_operator_granted_stays_even_if_it_is_called_as_they_are(lab: Lab) -> None:
    await grant(lab, Actor("root (as biacme)"))
    await grant(lab, Actor("acme"))
    granted = await details(lab, "grant-reader")
    assert (await redact_operator(lab.engine, "biacme", Actor("eve")))["audit_log"] == 1
    assert (await redact_operator(lab.engine, "acme", Actor("eve")))["audit_log"] == 1
    assert await details(lab, "grant-reader") == granted
    assert "root (as redacted)" in await operators(lab)


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "token (page)"])
async def test_words_that_are_nobodys_name_are_refused(lab: Lab, name: str) -> None:
    for role in ROLES:
        await create_token(lab.engine, NewToken(f"of-{role}", role, None, None), Actor(name))
    before = await lab.contents()
    for dry_run in (True, False):
        with pytest.raises(ArgumentError):
            await redact_operator(lab.engine, name, Actor("eve"), dry_run=dry_run)
    assert await lab.contents() == before
    update = (
        "UPDATE cadence_sync.audit_log SET {} WHERE action_id = (SELECT max(action_id) FROM cadence_sync.audit_log)"
    )
    for changed in ("done_by = 'redacted'", """details = jsonb_set(details, '{role}', '"redacted"')"""):
        await refused(lab, OPERATOR.format(name), ENTER.format(name, 1, 0), update.format(changed))


async def test_a_token_that_is_called_after_a_person_is_renamed_in_its_entries(lab: Lab) -> None:
    await create_token(lab.engine, NewToken("maria", "viewer", ["default"], None), Actor("kim"))
    await revoke_token(lab.engine, "maria", Actor("kim"))
    await audit.enter_alone(lab.engine, Actor("kim"), "org add", "added", details={"name": "maria"})
    assert (await redact_operator(lab.engine, "maria", Actor("kim")))["audit_log"] == 2
    assert await details(lab, "token create") == [{"name": "redacted", "role": "viewer", "orgs": ["default"]}]
    assert await details(lab, "token revoke") == [{"name": "redacted"}]
    assert await details(lab, "org add") == [{"name": "maria"}]


async def test_the_address_goes_from_logins_of_that_operator_only(lab: Lab) -> None:
    async with transaction(lab.engine) as connection:
        await audit.enter_login(connection, "kim", "192.0.2.7")
    await audit.enter_alone(lab.engine, ANA, "other", "done", details={"client": "192.0.2.7"})
    await redact_operator(lab.engine, "ana@x.io", Actor("kim"))
    assert await details(lab, "login_succeeded") == [{"client": "redacted"}, {"client": "192.0.2.7"}]
    assert await details(lab, "other") == [{"client": "192.0.2.7"}]


@pytest.mark.parametrize("key", ["role", "orgs", "id", "rows", "client"])
async def test_no_other_detail_can_be_rewritten_with_sql(lab: Lab, key: str) -> None:
    for action in ("grant-reader", "token create", "token revoke", "sync"):
        for by in ("ana@x.io", "kim"):
            await audit.enter_alone(lab.engine, Actor(by), action, "done", details={"name": "x", key: "ana@x.io"})
            who = "redacted" if by == "ana@x.io" else by
            changed = f"""done_by = '{who}', details = '{{"name": "x", "{key}": "redacted"}}'"""
            last = "action_id = (SELECT max(action_id) FROM cadence_sync.audit_log)"
            update = f"UPDATE cadence_sync.audit_log SET {changed} WHERE {last}"
            await refused(lab, OPERATOR.format("ana@x.io"), ENTER.format("ana@x.io", 1, 0), update)


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE cadence_sync.audit_log SET done_by = 'redacted' WHERE done_by = 'ana@x.io'"],
        [ENTER.format("ana@x.io", 0, 2), "UPDATE cadence_sync.deletion_decisions SET decided_by = 'redacted'"],
        [
            OPERATOR.format("kim"),
            ENTER.format("ana@x.io", 3, 0),
            "UPDATE cadence_sync.audit_log SET done_by = 'redacted' WHERE done_by = 'ana@x.io'",
        ],
        [
            OPERATOR.format("ana@x.io"),
            ENTER.format("ana@x.io", 3, 0),
            "UPDATE cadence_sync.audit_log SET done_by = 'eve' WHERE done_by = 'ana@x.io'",
        ],
        [
            OPERATOR.format("ana@x.io"),
            ENTER.format("ana@x.io", 1, 0),
            "UPDATE cadence_sync.audit_log SET details = '{}' WHERE action = 'login_succeeded'",
        ],
        [
            OPERATOR.format("ana@x.io"),
            ENTER.format("ana@x.io", 1, 0),
            "UPDATE cadence_sync.audit_log SET done_by = 'redacted' WHERE done_by = 'ana@x.io' AND run_id IS NOT NULL",
            "UPDATE cadence_sync.audit_log SET done_by = 'redacted' WHERE done_by = 'unknown'",
        ],
        [
            OPERATOR.format("ana@x.io"),
            ENTER.format("ana@x.io", 0, 0),
            "UPDATE cadence_sync.deletion_decisions SET decided_by = 'redacted (page)' WHERE decided_by LIKE 'ana%'",
        ],
    ],
    ids=["no entry", "no name", "another name", "another word", "details", "another row", "another count"],
)
async def test_nothing_else_can_be_rewritten_as_that(lab: Lab, statements: list[str]) -> None:
    await refused(lab, *statements)
