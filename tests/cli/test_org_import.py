"""`org import`: the good ones are stored, each bad one is named, and the exit code is that of the gravest."""

import pytest

from cadence_sync.cli.new_org import read_orgs
from cadence_sync.errors import ArgumentError
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.cli.conftest import Program, fault
from tests.cli.test_org_add import stored
from tests.support.zoho import asked

CSV = f"""\
org_id,data_center,refresh_token,grant_code,interval,cron,time_zone
one,eu,{credentials(0).refresh_token},,5m,,
two,,,{credentials(1).grant_code},,0 9 * * 1-5,Europe/Paris
forgotten,us,no-such-token-4730,,,,
late,us,,no-such-code-4731,,,
odd,us,t,,soon,,
twice,us,t,,,,
twice,us,t,,,,
"""
TOML = f"""
[orgs.one]
zoho_refresh_token = "{credentials(0).refresh_token}"
zoho_data_center = "eu"

[orgs.two]
refresh_token = "{credentials(1).refresh_token}"
interval = "1h"
"""


async def test_one_s_failure_never_stops_another(agency: Program) -> None:
    (agency.cwd / "orgs.csv").write_text(CSV)
    result = await agency.run("org", "import", "orgs.csv", "--json")
    errors = {row["org_id"]: row["error"] and row["error"]["code"] for row in result.json}
    assert errors == {
        "one": None,
        "two": None,
        "forgotten": "INVALID_CODE",
        "late": "INVALID_GRANT_CODE",
        "odd": "BAD_SCHEDULE",
        "twice": "ORG_EXISTS",
    }
    assert result.code == 3  # credentials are graver than arguments
    lines = result.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["forgotten", "late", "odd", "twice", "twice"]
    assert [secret for secret in ("4730", "4731") if secret in result.out + result.err] == []
    listed = {row["org_id"]: row for row in (await agency.run("org", "list", "--json")).json}
    assert (listed["one"]["data_center"], listed["one"]["sync_interval_seconds"]) == ("eu", 300)
    assert (listed["two"]["sync_cron"], listed["two"]["time_zone"]) == ("0 9 * * 1-5", "Europe/Paris")
    reports = (await agency.run("sync", "--json")).json
    assert [(report["org_id"], report["outcome"]) for report in reports] == [("one", "succeeded"), ("two", "succeeded")]


async def test_toml_as_in_the_settings_and_without_a_question_to_zoho(agency: Program, agencys_zoho: Simulator) -> None:
    (agency.cwd / "orgs.toml").write_text(TOML)
    result = await agency.run("org", "import", "orgs.toml", "--no-check")
    assert (result.code, result.out) == (0, "Stored 2 of 2 organizations.\n"), result.err
    assert list(agencys_zoho.journal.requests) == []
    again = await agency.run("org", "import", "orgs.toml")
    assert (again.code, again.out, again.err.count("already")) == (2, "Stored 0 of 2 organizations.\n", 2)
    assert (await agency.run("org", "import", "orgs.toml", "--replace")).code == 0
    assert len(asked(agencys_zoho)) == 2


async def test_a_grant_code_needs_zoho_and_everything_needs_a_key(agency: Program) -> None:
    (agency.cwd / "orgs.csv").write_text(f"org_id,grant_code\nacme,{credentials(0).grant_code}\n")
    assert "without asking Zoho" in (await agency.run("org", "import", "orgs.csv", "--no-check")).err
    keyless = await agency.run("org", "import", "orgs.csv", ENCRYPTION_KEYS=None)
    assert (keyless.code, "ENCRYPTION_KEYS" in keyless.err) == (2, True)
    assert (await agency.run("org", "import", "orgs.csv")).code == 0
    assert await stored(agency) == ["acme"]


async def test_zoho_out_of_order_for_one(agency: Program, agencys_zoho: Simulator) -> None:
    agencys_zoho.faults.add(fault("status", times=9, org=0))
    (agency.cwd / "orgs.toml").write_text(TOML)
    result = await agency.run("org", "import", "orgs.toml", ZOHO_MAX_ATTEMPTS="1")
    assert (result.code, result.out) == (4, "Stored 1 of 2 organizations.\n")
    assert await stored(agency) == ["two"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("orgs.yaml", "", "neither in .toml nor in .csv"),
        ("orgs.toml", "[orgs", "cannot be imported"),
        ("orgs.toml", "", "no organization"),
        ("orgs.toml", "orgs = 3", "expected tables"),
        ("orgs.toml", "[orgs.a]\ncolor = 'blue'", "no field 'color'"),
        ("orgs.toml", "[orgs.a]\ninterval = 5", "'interval' is no text"),
        ("orgs.csv", "org_id,color\na,blue\n", "no field 'color'"),
        ("orgs.csv", "refresh_token\nt\n", "no field 'org_id'"),
        ("orgs.csv", "org_id\na,b\n", "line 2 has more fields"),
        ("orgs.csv", 'org_id\n"a', "cannot be imported"),
    ],
)
async def test_a_file_that_makes_no_sense_is_refused_as_a_whole(
    agency: Program, name: str, text: str, words: str
) -> None:
    file = agency.cwd / name
    file.write_text(text)
    with pytest.raises(ArgumentError, match=words) as caught:
        read_orgs(file)
    assert caught.value.code == "IMPORT_FILE"


async def test_a_file_that_is_not_there(agency: Program) -> None:
    result = await agency.run("org", "import", "missing.csv")
    assert (result.code, "missing.csv" in result.err) == (2, True)
