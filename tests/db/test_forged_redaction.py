"""Whoever may write as the daemon's role may enter a redaction, and with it replace no more than a user's name."""

import json
from collections.abc import Iterator
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cadence_sync.core.redact import RedactionTarget, redact
from cadence_sync.db.integrity import RECORDS, examine
from cadence_sync.db.redaction import redact_person
from cadence_sync.ports import Actor
from tests.support.databases import Databases
from tests.support.lab import Lab
from tests.support.records import record

PAT = "3652397000000186017"
OWNER = {"id": PAT, "full_name": "Pat", "email": "pat@x.io", "phone": 7, "alias": {"x": "y"}, "team": "North"}
BROKEN = record("4", summary="unreadable")
ENTER = "INSERT INTO cadence_sync.redactions (org_id, user_id, redacted_by, {}) VALUES ('default', '{}', 'me', {})"
RAW = "UPDATE cadence_sync.cadence_versions SET raw = '{}' WHERE cadence_id = '{}' AND version = 1"
AUTHOR = "UPDATE cadence_sync.cadence_changes SET changed_by_name = '{}' WHERE changed_by_id = '{}'"


async def live(lab: Lab) -> None:
    await lab.sync(record("1", owner=OWNER), record("2"), record(PAT))
    edited = lab.clock.now().isoformat()
    await lab.sync(record("1", owner=OWNER, modified_time=edited, name="New"), record("2"), record(PAT), BROKEN)


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    with databases.lived_in(live) as name:
        yield name


def enter(user_id: str = PAT, **counters: int) -> str:
    return ENTER.format(", ".join(counters), user_id, ", ".join(map(str, counters.values())))


async def refused(lab: Lab, *statements: str) -> None:
    before = await lab.contents()
    with pytest.raises(DBAPIError) as caught:
        await lab.execute(*statements)
    assert getattr(caught.value.orig, "sqlstate", None) == "23000"
    assert await lab.contents() == before


async def raw_of(lab: Lab, cadence_id: str = "1") -> str:
    statement = "SELECT raw::text AS raw FROM cadence_sync.cadence_versions WHERE cadence_id = :id AND version = 1"
    return str((await lab.row(statement, id=cadence_id))["raw"])


def rewritten(raw: str, old: str, new: str) -> str:
    assert old in raw
    return RAW.format(raw.replace(old, new, 1), "1")


async def test_every_version_cannot_be_forged(lab: Lab) -> None:
    versions = await lab.rows("SELECT 1 FROM cadence_sync.cadence_versions")
    forge = 'UPDATE cadence_sync.cadence_versions SET raw = \'{"name": "forged"}\''
    await refused(lab, enter("0", cadence_versions=0), forge)
    await refused(lab, enter(cadence_versions=len(versions)), forge)


FORGED = {
    "another name": ('"Pat"', '"Eve"'),
    "another string": ('"North"', '"redacted"'),
    "another key": ('"full_name"', '"full_Name"'),
    "an id": (f'"{PAT}", "full_name"', '"1", "full_name"'),
    "a number": ('"task_follow_up_count": 1', '"task_follow_up_count": 2'),
    "a name that goes": ('"full_name": "Pat", ', ""),
    "a name that is repeated": ('"full_name": "Pat"', '"full_name": "redacted", "full_name": "Pat"'),
    "a name that becomes null": ('"Pat"', "null"),
    "what is in a name": ('{"x": "y"}', '{"x": "redacted"}'),
    "the cadence's name": ('"name": "Welcome"', '"name": "redacted"'),
    "a view's name": ('"name": "All Contacts"', '"name": "redacted"'),
    "nothing": ('"Pat"', '"Pat"'),
}


@pytest.mark.parametrize(("old", "new"), FORGED.values(), ids=FORGED.keys())
async def test_of_a_record_nothing_but_the_users_name_can_be_replaced(lab: Lab, old: str, new: str) -> None:
    await refused(lab, enter(cadence_versions=1), rewritten(await raw_of(lab), old, new))


@pytest.mark.parametrize(
    ("old", "new"), [('"Pat"', '"redacted"'), ("7", '"redacted"'), ('{"x": "y"}', '"redacted"')], ids=str
)
async def test_the_users_name_can(lab: Lab, old: str, new: str) -> None:
    await lab.execute(enter(cadence_versions=1), rewritten(await raw_of(lab), f": {old}", f": {new}"))
    assert new in await raw_of(lab)


async def test_the_id_of_a_cadence_or_a_module_names_no_user(lab: Lab) -> None:
    """Nor does a record whose own id is the one that was entered."""
    own = (await raw_of(lab, PAT)).replace('"Welcome"', '"redacted"', 1)
    await refused(lab, enter(cadence_versions=1), RAW.format(own, PAT))
    view = (await raw_of(lab)).replace('"All Contacts"', '"redacted"', 1)
    await refused(lab, enter("3652397000000087529", cadence_versions=1), RAW.format(view, "1"))


async def test_rules_are_configuration(lab: Lab) -> None:
    rules = [{"id": "1", "type": "criteria", "details": {"id": PAT, "name": "Pat"}}]
    await lab.sync(record("1", owner=OWNER), record("9", execution_details={"unenroll_properties": rules}))
    forged = (await raw_of(lab, "9")).replace('"Pat"', '"redacted"', 1)
    await refused(lab, enter(cadence_versions=1), RAW.format(forged, "9"))


async def test_an_author_becomes_that_word_and_only_of_that_user(lab: Lab) -> None:
    changes = len(await lab.rows("SELECT 1 FROM cadence_sync.cadence_changes WHERE changed_by_id = :id", id=PAT))
    assert changes
    await refused(lab, enter(cadence_changes=changes), AUTHOR.format("Eve", PAT))
    await refused(lab, enter("1", cadence_changes=changes), AUTHOR.format("redacted", PAT))
    await lab.execute(enter(cadence_changes=changes), AUTHOR.format("redacted", PAT))


@pytest.mark.parametrize("count", [0, 2])
async def test_the_counters_are_those_of_the_rows(lab: Lab, count: int) -> None:
    await refused(lab, enter(cadence_versions=count), rewritten(await raw_of(lab), '"Pat"', '"redacted"'))
    current = "UPDATE cadence_sync.cadences SET created_by_name = 'redacted' WHERE cadence_id = '1'"
    await refused(lab, enter(cadences=count), current)


async def test_nothing_is_rewritten_after_the_count(lab: Lab) -> None:
    rewrite = rewritten(await raw_of(lab), '"Pat"', '"redacted"')
    await refused(lab, enter(cadence_versions=0), "SET CONSTRAINTS ALL IMMEDIATE", rewrite)


async def test_a_savepoint_hides_nothing_from_the_count(lab: Lab) -> None:
    rewrite = rewritten(await raw_of(lab), '"Pat"', '"redacted"')
    await refused(lab, enter(cadence_versions=0), "SAVEPOINT s", rewrite, "RELEASE SAVEPOINT s")


async def test_a_closed_redaction_stays_closed(lab: Lab) -> None:
    await lab.execute(enter(cadence_versions=0))
    assert (await lab.row("SELECT closed FROM cadence_sync.redactions"))["closed"]
    await refused(lab, "UPDATE cadence_sync.redactions SET closed = false")
    await refused(lab, "UPDATE cadence_sync.redactions SET closed = true")


async def test_what_is_in_quarantine_is_rewritten_by_a_redaction_only(lab: Lab) -> None:
    assert await lab.rows("SELECT 1 FROM cadence_sync.quarantined_records") != []
    rewrite = "UPDATE cadence_sync.quarantined_records SET raw = 'redacted'"
    await refused(lab, rewrite)
    await refused(lab, enter(quarantined_records=0), rewrite)
    await refused(lab, enter(quarantined_records=1), rewrite.replace("redacted'", "forged'"))
    await refused(lab, enter(quarantined_records=1), "UPDATE cadence_sync.quarantined_records SET reason = 'x'")


@pytest.mark.parametrize("depth", [3, 400])
async def test_a_name_may_lie_deep(lab: Lab, depth: int) -> None:
    deep = json.dumps(OWNER)
    for _ in range(depth):
        deep = f'{{"in": [{deep}]}}'
    await lab.execute("SET LOCAL session_replication_role = replica", RAW.format(deep, "2"))
    await lab.execute(enter(cadence_versions=1), RAW.format(deep.replace('"Pat"', '"redacted"'), "2"))
    await refused(lab, enter(cadence_versions=1), RAW.format(deep.replace('"North"', '"redacted"'), "2"))


async def test_what_is_forged_with_triggers_switched_off_is_found(lab: Lab) -> None:
    forged = RAW.format((await raw_of(lab)).replace('"Welcome"', '"Forged"', 1), "1")
    await lab.execute("ALTER TABLE cadence_sync.cadence_versions DISABLE TRIGGER USER", forged)
    await lab.execute("ALTER TABLE cadence_sync.cadence_versions ENABLE TRIGGER USER")
    (found,) = [finding for finding in await examine(lab.engine) if not finding.ok]
    assert (found.what, found.exceptions) == (RECORDS, [("default", "1", 1)])


@pytest.mark.parametrize(
    "forge",
    [
        "UPDATE cadence_sync.cadence_versions SET raw = replace(raw::text, 'Patricia', 'Forged')::json",
        "UPDATE cadence_sync.cadence_changes SET changed_by_name = 'Forged'",
        "UPDATE cadence_sync.cadence_changes SET changed_by_id = '1'",
        "UPDATE cadence_sync.cadence_changes SET changed_by_name = 'redacted'",
    ],
)
async def test_an_author_other_than_that_of_the_record_is_found(lab: Lab, forge: str) -> None:
    await lab.execute("SET LOCAL session_replication_role = replica", forge)
    assert [finding.what for finding in await examine(lab.engine) if not finding.ok] == [RECORDS]


async def test_what_was_redacted_is_no_forgery(lab: Lab) -> None:
    assert await redact_person(lab.engine, "default", PAT, Actor("me")) is not None
    assert [finding.what for finding in await examine(lab.engine) if not finding.ok] == []
    assert "Pat" not in await raw_of(lab)


KEYS = ("id", "ID", "_id", "name", "Full_Name", "e_mail", "email", "alias", "x", "module", "unenroll_properties")
VALUES = (f'"{PAT}"', PAT, '"7"', '"Pat"', '"P\\u0061t"', '""', "null", "true", "1.50", '"redacted"', '"{}[]:,"')


def made_up(random: Random, depth: int = 0) -> str:
    """Return JSON with keys that repeat, odd spacing, and users anywhere."""
    kind = random.random() if depth < 5 else 1
    if depth and kind > 0.6:
        return random.choice(VALUES)
    space = random.choice(("", " ", "\n\t"))
    values = [made_up(random, depth + 1) for _ in range(random.randrange(6))]
    if depth and kind > 0.45:
        return f"[{space}{f',{space}'.join(values)}]"
    names = ("execution_details", "module", "custom_view", "owner", "id", "name") if depth == 0 else KEYS
    return "{" + f",{space}".join(f'"{random.choice(names)}"{space}:{value}' for value in values) + "}"


async def test_what_the_redaction_makes_of_any_record_is_permitted(lab: Lab) -> None:
    """The rules are written down twice: in Python, and for the trigger in SQL."""
    old = [made_up(Random(seed)) for seed in range(4000)]  # noqa: S311 - no secret
    new = [redact(raw.encode(), RedactionTarget(frozenset({PAT}))).raw.decode() for raw in old]
    pairs = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
    assert len(pairs) > 300
    call = "SELECT cadence_sync.differs_only_by_redaction(CAST(:old AS json), CAST(:new AS json), :id) AS same"
    async with lab.engine.connect() as connection:
        for before, after in pairs:
            values = {"old": before, "new": after, "id": PAT}
            assert await connection.scalar(text(call), values), (before, after)
            assert not await connection.scalar(text(call), values | {"id": "1"}), (before, after)
