"""A user's name goes by one command, and no later sync brings it back."""

import asyncio
import signal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.ports import Org
from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program
from tests.support.lab import Lab
from tests.support.records import listing, record
from tests.support.redaction import everything

PAT = "3652397000000186017"


async def places_of(engine: AsyncEngine, name: str) -> list[str]:
    return [place for place, value in await everything(Lab(engine)) if name in value]


async def test_a_user_of_a_living_organization_is_redacted_for_good(
    program: Program, simulator: Simulator, engine: AsyncEngine
) -> None:
    assert (await program.run("sync")).code == 0
    simulator.edit(10)
    assert (await program.run("sync")).code == 0
    org = simulator.orgs[0]
    user = max(org.users, key=lambda user: sum(c.created_by is user for c in org.cadences.values()))
    assert len(await places_of(engine, user.name)) > 3
    result = await program.run("redact-person", user.id, "--json")
    (done,) = result.json
    assert (result.code, done["org_id"], done["user_id"], done["kept"]) == (0, "default", user.id, 0)
    assert done["counts"]["cadence_versions"] >= done["counts"]["cadences"] > 0
    simulator.edit(10)
    assert (await program.run("sync")).code == 0
    assert await places_of(engine, user.name) == []
    assert (await program.run("doctor", "--deep")).code == 0
    (again,) = (await program.run("sync", "--json")).json
    assert again["unchanged"] == again["seen"]


async def test_it_says_what_it_rewrote_and_when_nothing_was_left(program: Program, plain_zoho: PlainZoho) -> None:
    plain_zoho.body = listing([record("1"), record("2")])
    await program.run("sync")
    first = await program.run("redact-person", PAT)
    head, row = (line.split("\t") for line in first.out.splitlines())
    assert dict(zip(head, row, strict=True)) == {
        "org_id": "default",
        "cadence_versions": "2",
        "cadence_changes": "0",
        "cadences": "2",
        "quarantined_records": "0",
        "schema_drift": "0",
    }
    second = await program.run("redact-person", PAT, "--org", "default")
    assert (second.code, "nothing was left" in second.out) == (0, True)
    assert "Patricia" not in (await program.run("show", "1")).out


async def test_every_organization_that_knows_the_id_is_done_and_no_other(program: Program, engine: AsyncEngine) -> None:
    lab = Lab(engine)
    ana = {"id": "77", "name": "Ana Lind"}
    for org_id, person in (("default", {}), ("second", {}), ("third", {"created_by": ana, "modified_by": ana})):
        await lab.sync(record("1", **person), org=Org(org_id, "eu"))
    assert [done["org_id"] for done in (await program.run("redact-person", "77", "--json")).json] == ["third"]
    result = await program.run("redact-person", PAT, "--json")
    assert (result.code, [done["org_id"] for done in result.json]) == (0, ["default", "second"])
    assert await places_of(engine, "Patricia") == []
    rows = await lab.rows("SELECT org_id, user_id FROM cadence_sync.redactions ORDER BY redaction_id")
    assert [tuple(row.values()) for row in rows] == [("third", "77"), ("default", PAT), ("second", PAT)]


async def test_rules_that_name_the_user_are_reported_of(program: Program, plain_zoho: PlainZoho) -> None:
    rules = [{"id": "1", "type": "criteria", "details": {"id": PAT, "name": "Patricia Boyle"}}]
    plain_zoho.body = listing([record("1", execution_details={"unenroll_properties": rules})])
    await program.run("sync")
    result = await program.run("redact-person", PAT)
    assert (result.code, "1 version(s) name this user in unenroll_properties" in result.err) == (0, True)


async def test_a_user_or_an_organization_that_is_not_there(program: Program) -> None:
    await program.run("sync")
    for arguments, said in ((["1"], "names a user '1'"), ([PAT, "--org", "x"], "no organization 'x'")):
        result = await program.run("redact-person", *arguments)
        assert (result.code, said in result.err, "Hint: " in result.err) == (1, True, True), result.err


async def test_a_kill_in_the_middle_leaves_everything_or_nothing(
    program: Program, plain_zoho: PlainZoho, engine: AsyncEngine
) -> None:
    plain_zoho.body = listing([record(str(number)) for number in range(200)])
    await program.run("sync")
    lab = Lab(engine)
    # The first statement that rewrites history waits for this lock.
    async with engine.begin() as other:
        await other.execute(text("LOCK TABLE cadence_sync.cadence_changes IN EXCLUSIVE MODE"))
        process = await program.start("redact-person", PAT)
        waiting = (
            "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        async with asyncio.timeout(30):
            while not (await lab.row(waiting))["n"]:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    assert await lab.rows("SELECT * FROM cadence_sync.redactions") == []
    assert (await lab.row("SELECT count(*) AS n FROM cadence_sync.cadences WHERE created_by_name = 'redacted'"))[
        "n"
    ] == 0
    assert (await program.run("redact-person", PAT)).code == 0
    assert await places_of(engine, "Patricia") == []
