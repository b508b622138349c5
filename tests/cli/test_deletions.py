"""Deletions through the installed command: confirmed, held, decided."""

import pytest

from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program, fault
from tests.support.records import listing, record

VERSIONS = pytest.mark.parametrize("version", ["v7", "v8"])


def remove(org: SimOrg, count: int) -> None:
    for cadence_id in list(org.cadences)[:count]:
        org.deleted[cadence_id] = org.cadences.pop(cadence_id)
    org.touch()


@VERSIONS
async def test_too_many_are_held_until_somebody_approves(program: Program, simulator: Simulator, version: str) -> None:
    program.settings["ZOHO_API_VERSION"] = version
    await program.run("sync")
    remove(simulator.orgs[0], 8)
    assert (await program.run("sync")).code == 6
    result = await program.run("sync", "--json")
    (report,) = result.json
    assert (result.code, report["outcome"], report["held"], report["deleted"]) == (6, "held", 8, 0)
    (row,) = (await program.run("status", "--json")).json
    assert (row["live"], row["held"], row["last_outcome"]) == (25, 8, "held")
    assert f"approve {row['held_run_id']}" in (await program.run("status")).out
    approved = await program.run("approve", str(report["run_id"]))
    assert (approved.code, "8 cadence(s)" in approved.out) == (0, True)
    (report,) = (await program.run("sync", "--json")).json
    assert (report["outcome"], report["deleted"], report["held"]) == ("succeeded", 8, 0)


async def test_rejected_ones_stay_and_are_shown_as_missing(program: Program, simulator: Simulator) -> None:
    await program.run("sync")
    remove(simulator.orgs[0], 25)
    assert (await program.run("sync")).code == 6
    assert (await program.run("reject", "2")).code == 0
    assert (await program.run("sync")).code == 0
    (row,) = (await program.run("status", "--json")).json
    assert (row["live"], row["held"], row["missing"]) == (25, 0, 25)
    assert (await program.run("sync", "--allow-mass-delete")).code == 0
    (row,) = (await program.run("status", "--json")).json
    assert (row["live"], row["missing"]) == (0, 0)


async def test_a_run_that_holds_nothing_cannot_be_decided_about(program: Program) -> None:
    await program.run("sync")
    result = await program.run("approve", "1")
    assert (result.code, "holds no deletions" in result.err) == (1, True)


@VERSIONS
async def test_a_list_that_moves_while_it_is_paged_deletes_nobody_else(
    program: Program, simulator: Simulator, version: str
) -> None:
    program.settings |= {"ZOHO_PER_PAGE": "5", "ZOHO_API_VERSION": version}
    await program.run("sync")
    simulator.faults.add(fault("shift"))
    (report,) = (await program.run("sync", "--json")).json
    live = {row["cadence_id"] for row in (await program.run("list", "--json")).json}
    assert live >= simulator.orgs[0].cadences.keys()
    assert report["deleted"] <= 1
    (report,) = (await program.run("sync", "--json")).json
    live = {row["cadence_id"] for row in (await program.run("list", "--json")).json}
    assert live == simulator.orgs[0].cadences.keys()


@VERSIONS
async def test_a_listing_that_ends_early_deletes_nobody(program: Program, simulator: Simulator, version: str) -> None:
    program.settings |= {"ZOHO_PER_PAGE": "22", "ZOHO_API_VERSION": version}
    await program.run("sync")
    simulator.faults.add(fault("end_early"))
    (report,) = (await program.run("sync", "--json")).json
    assert (report["outcome"], report["deleted"], report["held"]) == ("succeeded", 0, 0)
    assert len((await program.run("list", "--json")).json) == 25


async def test_an_organization_that_is_empty_meets_the_threshold(program: Program, simulator: Simulator) -> None:
    await program.run("sync")
    remove(simulator.orgs[0], 25)
    result = await program.run("sync", "--json")
    assert (result.code, result.json[0]["held"]) == (6, 25)


async def test_credentials_of_another_organization_write_nothing(program: Program, plain_zoho: PlainZoho) -> None:
    plain_zoho.body = listing([record("1"), record("2")])
    assert (await program.run("sync")).code == 0
    plain_zoho.body = listing([record("8"), record("9")])
    result = await program.run("sync", "--json")
    assert (result.code, result.json[0]["error"]["code"]) == (3, "WRONG_ORG")
    assert len((await program.run("list", "--deleted", "--json")).json) == 2
    (report,) = (await program.run("sync", "--json", "--allow-other-org")).json
    assert (report["created"], report["deleted"]) == (2, 2)


NEVER_EMPTY = [
    {"kind": "status", "status": 401, "code": "AUTHENTICATION_FAILURE"},
    {"kind": "status", "status": 403, "code": "NO_PERMISSION"},
    {"kind": "status", "status": 500, "code": "INTERNAL_SERVER_ERROR"},
    {"kind": "html", "status": 200},
    {"kind": "empty"},
    {"kind": "truncated"},
]


async def test_no_failure_is_ever_no_cadences(program: Program, simulator: Simulator) -> None:
    await program.run("sync")
    for how in NEVER_EMPTY:
        simulator.faults.add(fault(**how, times=9))  # type: ignore[arg-type]
        result = await program.run("sync", "--json", ZOHO_MAX_ATTEMPTS="1")
        assert result.json[0]["outcome"] == "failed", how
        simulator.faults.clear()
    assert len((await program.run("list", "--json")).json) == 25
