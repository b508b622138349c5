"""`org add`: proved by one call and stored encrypted, or refused with one sentence and nothing stored."""

from pathlib import Path

import pytest

from cadence_sync.db.queue import direct
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.cli.conftest import KEY, Program, fault
from tests.support import cli
from tests.support.invariants import rows
from tests.support.zoho import asked

TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'cadence_sync'"


def put(program: Program, name: str, text: str) -> str:
    """Write a file of the program's folder and return its path."""
    file = program.cwd / name
    file.write_text(f"{text}\n", encoding="utf-8")
    return str(file)


def by_token(program: Program, index: int = 0) -> list[str]:
    return ["--refresh-token-file", put(program, f"token-{index}", credentials(index).refresh_token)]


def by_code(program: Program, code: str) -> list[str]:
    return ["--grant-code-file", put(program, "code", code)]


async def stored(program: Program) -> list[str]:
    """Return the ids of the organizations whose credentials are stored."""
    url = program.settings["DATABASE_URL"]
    assert url is not None
    found = await rows(url, "SELECT org_id FROM cadence_sync.org_credentials ORDER BY org_id")
    return [row["org_id"] for row in found]


async def test_a_refresh_token_is_proved_by_one_call_and_serves_every_sync(
    agency: Program, agencys_zoho: Simulator
) -> None:
    result = await agency.run("org", "add", "acme", *by_token(agency, 1), "--interval", "5m", "--json")
    assert (result.code, result.json["org_id"], result.json["seconds"]) == (0, "acme", 300), result.err
    assert len(asked(agencys_zoho)) == 1
    (report,) = (await agency.run("sync", "--json")).json
    assert (report["org_id"], report["outcome"], report["seen"]) == ("acme", "succeeded", 3)
    (named,) = (await agency.run("sync", "--org", "acme", "--json")).json
    assert (named["outcome"], named["unchanged"]) == ("succeeded", 3)
    # The proof's access token is kept: neither sync needed another.
    assert agencys_zoho.journal.counts["token"] == 1


async def test_a_grant_code_is_swapped_and_good_for_one_time(agency: Program) -> None:
    code = credentials(2).grant_code
    assert (await agency.run("org", "add", "acme", *by_code(agency, code))).code == 0
    assert (await agency.run("sync")).code == 0
    again = await agency.run("org", "add", "other", *by_code(agency, code))
    assert (again.code, again.out) == (3, "")
    assert "expired, or was used" in again.err
    assert "ZohoCRM.settings.cadences.READ" in again.err
    assert await stored(agency) == ["acme"]


async def test_whatever_can_be_refused_without_the_grant_code_leaves_it_unused(agency: Program) -> None:
    code = by_code(agency, credentials(0).grant_code)
    assert (await agency.run("org", "add", "acme", *by_token(agency, 1))).code == 0
    for arguments, changes in (
        (["acme", *code], {}),
        (["new", *code, "--cron", "soon"], {}),
        (["new", *code], {"ENCRYPTION_KEYS": None}),
    ):
        assert (await agency.run("org", "add", *arguments, **changes)).code == 2
    assert (await agency.run("org", "add", "new", *code)).code == 0


@pytest.mark.long
async def test_an_organization_that_is_locked_leaves_the_grant_code_unused(agency: Program) -> None:
    code = by_code(agency, credentials(0).grant_code)
    async with direct(agency.settings["DATABASE_URL"] or "") as other:
        await other.execute("INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES ('new', 'us')")
        lock = other.transaction()
        await lock.start()
        await other.execute("SELECT FROM cadence_sync.orgs FOR NO KEY UPDATE")
        assert (await agency.run("org", "add", "new", *code)).code == 5
    assert (await agency.run("org", "add", "new", *code)).code == 0


async def test_what_cannot_work_is_refused_before_zoho_is_asked(agency: Program, agencys_zoho: Simulator) -> None:
    refused: list[tuple[list[str], dict[str, str | None], str]] = [
        (["--cron", "0 0 31 2 *"], {}, "never comes"),
        (["--probe", "eu,mars"], {}, "no data center 'mars'"),
        (["--client-secret-file", "/nowhere"], {}, "/nowhere cannot be read"),
        ([], {"ENCRYPTION_KEYS": None}, "CADENCE_SYNC_ENCRYPTION_KEYS"),
    ]
    for arguments, changes, words in refused:
        result = await agency.run("org", "add", "acme", *by_token(agency), *arguments, **changes)
        assert (result.code, result.out, words in result.err) == (2, "", True), result.err
        assert "Traceback" not in result.err
    assert list(agencys_zoho.journal.requests) == []
    assert await stored(agency) == []


async def test_two_organizations_of_one_id(agency: Program) -> None:
    assert (await agency.run("org", "add", "acme", *by_token(agency))).code == 0
    again = await agency.run("org", "add", "acme", *by_token(agency, 1))
    assert (again.code, "already" in again.err, "--replace" in again.err) == (2, True, True)
    (agency.cwd / "cadence-sync.toml").write_text('[orgs.other]\nzoho_refresh_token = "t"')
    named = await agency.run("org", "add", "other", *by_token(agency, 1))
    assert (named.code, "settings name" in named.err) == (2, True)
    assert await stored(agency) == ["acme"]


async def test_credentials_are_replaced_and_failures_forgotten(agency: Program) -> None:
    url = agency.settings["DATABASE_URL"]
    assert url is not None
    await agency.run("org", "add", "acme", *by_token(agency, 0), "--cron", "0 9 * * 1-5", "--time-zone", "Asia/Tokyo")
    await rows(url, "UPDATE cadence_sync.orgs SET consecutive_failures = 7")
    wrong = await agency.run("org", "add", "acme", "--refresh-token-file", put(agency, "w", "wrong"), "--replace")
    assert (wrong.code, "does not know the refresh token" in wrong.err) == (3, True)
    (before,) = (await agency.run("org", "list", "--json")).json
    assert (before["consecutive_failures"], before["sync_cron"]) == (7, "0 9 * * 1-5")
    assert (await agency.run("org", "add", "acme", *by_token(agency, 1), "--replace")).code == 0
    (after,) = (await agency.run("org", "list", "--json")).json
    assert (after["consecutive_failures"], after["sync_cron"], after["time_zone"]) == (0, "0 9 * * 1-5", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        ("OAUTH_SCOPE_MISMATCH", 3, "ZohoCRM.settings.cadences.READ"),
        ("NO_PERMISSION", 3, "Manage Cadences"),
        ("INTERNAL_SERVER_ERROR", 4, "500"),
    ],
)
async def test_credentials_that_do_not_open_the_list_are_not_stored(
    agency: Program, agencys_zoho: Simulator, code: str, exit_code: int, words: str
) -> None:
    agencys_zoho.faults.add(fault("status", code=code, times=9))
    result = await agency.run("org", "add", "acme", *by_code(agency, credentials(0).grant_code), ZOHO_MAX_ATTEMPTS="1")
    assert (result.code, words in result.err) == (exit_code, True), result.err
    assert "The grant code is used now" in result.err
    assert await stored(agency) == []


async def test_an_organization_without_any_cadence_is_fine(agency: Program, agencys_zoho: Simulator) -> None:
    agencys_zoho.orgs[0].cadences.clear()
    agencys_zoho.orgs[0].touch()
    assert (await agency.run("org", "add", "acme", *by_token(agency))).code == 0


async def test_one_organization_of_the_environment_works_without_a_key(program: Program) -> None:
    assert (await program.run("sync")).code == 0
    refused = await program.run("org", "add", "acme", *by_token(program))
    assert (refused.code, "secrets.token_urlsafe(32)" in refused.err) == (2, True)


async def test_a_key_that_does_not_fit_stops_that_organization_only(agency: Program) -> None:
    await agency.run("org", "add", "acme", *by_token(agency, 1))
    token = credentials(0).refresh_token
    result = await agency.run("sync", "--json", ENCRYPTION_KEYS="another-key-of-some-length", ZOHO_REFRESH_TOKEN=token)
    default, acme = result.json
    assert (result.code, default["outcome"], acme["error"]["code"]) == (2, "succeeded", "WRONG_ENCRYPTION_KEYS")
    without = await agency.run("sync", "--org", "acme", "--json", ENCRYPTION_KEYS=None)
    assert (without.code, without.json[0]["error"]["code"]) == (2, "NO_ENCRYPTION_KEYS")
    both = f"another-key-of-some-length,{KEY}"
    assert (await agency.run("sync", "--org", "acme", ENCRYPTION_KEYS=both)).code == 0


async def test_secrets_come_from_stdin_and_from_variables(agency: Program) -> None:
    known = credentials(1)
    typed = f"{known.client_secret}\n{known.refresh_token}\n"
    flags = ["--client-id", known.client_id, "--client-secret-file", "-", "--refresh-token-file", "-"]
    piped = await agency.run("org", "add", "piped", *flags, typed=typed, ZOHO_CLIENT_SECRET=None)
    assert piped.code == 0, piped.err
    given = {"ORG_CLIENT_SECRET": known.client_secret, "ORG_GRANT_CODE": credentials(2).grant_code}
    by_variable = await agency.run("org", "add", "var", ZOHO_CLIENT_SECRET=None, **given)
    assert by_variable.code == 0, by_variable.err
    assert await stored(agency) == ["piped", "var"]


async def test_a_wizard_asks_for_what_is_missing_and_echoes_no_secret(agency: Program) -> None:
    known = credentials(3)
    settings = agency.settings | {"ZOHO_CLIENT_ID": None, "ZOHO_CLIENT_SECRET": None}
    answers = [
        ("Id of the organization", "acme"),
        ("Data center", "eu"),
        ("Client id", known.client_id),
        ("Client secret", known.client_secret),
        ("Grant code", ""),
        ("Refresh token", known.refresh_token),
    ]
    code, shown = await cli.conversation("org", "add", answers=answers, cwd=agency.cwd, **settings)
    assert code == 0, shown
    assert "ZohoCRM.settings.cadences.READ" in shown
    assert "'acme' (eu)" in shown
    assert known.client_secret not in shown
    assert known.refresh_token not in shown
    assert await stored(agency) == ["acme"]


async def test_no_secret_is_shown_listed_or_stored_in_the_clear(agency: Program, agencys_zoho: Simulator) -> None:
    known = credentials(1)
    secrets = (known.refresh_token, known.client_secret, known.grant_code, KEY)
    agencys_zoho.change_settings(latency=0.5)
    changes = {"LOG_LEVEL": "DEBUG"}
    process = await agency.start("--debug", "org", "add", "acme", *by_code(agency, known.grant_code), **changes)
    listed = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    out, err = await process.communicate()
    assert process.returncode == 0, err
    agencys_zoho.change_settings(latency=0.0)
    shown = [out.decode(), err.decode(), listed]
    for arguments in (["org", "list", "--json"], ["org", "list"], ["sync", "--json"], ["rotate-keys", "--json"]):
        result = await agency.run(*arguments, **changes)
        shown += [result.out, result.err]
    wrong = await agency.run("--debug", "sync", ENCRYPTION_KEYS="another-key-of-some-length", **changes)
    shown += [wrong.out, wrong.err]
    url = agency.settings["DATABASE_URL"]
    assert url is not None
    for table in await rows(
        url, "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'cadence_sync'"
    ):
        found = await rows(url, f"SELECT t::text AS row FROM cadence_sync.{table['name']} t")
        shown += [row["row"] for row in found]
    text = "\n".join(shown)
    assert [secret for secret in secrets if secret in text or secret.encode().hex() in text] == []
