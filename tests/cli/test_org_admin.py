"""`org list`, `pause`, `resume` and `remove`; and `rotate-keys`."""

import json
import os
from pathlib import Path

import pytest

from cadence_sync.db.orgs import KEPT
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.cli.conftest import KEY, Program
from tests.cli.test_org_add import TABLES, stored
from tests.support import cli
from tests.support.interrupted import ended, fetching
from tests.support.invariants import broken, rows

NEW = "the-new-key-of-the-agency-4721"


@pytest.fixture
async def two(agency: Program) -> Program:
    """Organizations `one` and `two`, stored and synced once."""
    lines = [f"{name},{credentials(index).refresh_token}" for index, name in enumerate(("one", "two"))]
    (agency.cwd / "orgs.csv").write_text("\n".join(["org_id,refresh_token", *lines]))
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    assert (await agency.run("sync")).code == 0
    return agency


def url_of(program: Program) -> str:
    url = program.settings["DATABASE_URL"]
    assert url is not None
    return url


async def synced(program: Program, *arguments: str) -> list[str]:
    """Return the organizations that a sync reports on."""
    return [report["org_id"] for report in (await program.run("sync", "--json", *arguments)).json]


async def test_a_paused_one_is_left_out_and_a_resumed_one_starts_afresh(two: Program) -> None:
    paused = await two.run("org", "pause", "one")
    assert (paused.code, paused.out) == (0, "'one' is paused.\n")
    assert await synced(two) == ["two"]
    assert await synced(two, "--org", "one") == ["one"]
    await rows(url_of(two), "UPDATE cadence_sync.orgs SET consecutive_failures = 3 WHERE org_id = 'one'")
    first, _ = (await two.run("org", "list", "--json")).json
    assert (first["enabled"], first["consecutive_failures"]) == (False, 3)
    resumed = await two.run("org", "resume", "one", "--json")
    assert (resumed.code, resumed.json) == (0, {"org_id": "one", "enabled": True})
    first, _ = (await two.run("org", "list", "--json")).json
    assert (first["enabled"], first["consecutive_failures"]) == (True, 0)
    assert await synced(two) == ["one", "two"]


async def test_an_organization_of_the_settings_is_listed_and_paused_but_not_removed(two: Program) -> None:
    two.settings["ZOHO_REFRESH_TOKEN"] = credentials(2).refresh_token
    assert await synced(two) == ["default", "one", "two"]
    listed = (await two.run("org", "list", "--json")).json
    assert [(row["org_id"], row["credentials"]) for row in listed] == [
        ("default", "settings"),
        ("one", "database"),
        ("two", "database"),
    ]
    assert (await two.run("org", "pause", "default")).code == 0
    assert await synced(two) == ["one", "two"]
    removed = await two.run("org", "remove", "default", "--purge", "--yes")
    assert (removed.code, "settings name" in removed.err) == (2, True)


async def test_a_removed_one_keeps_its_history_and_may_come_back(two: Program) -> None:
    removed = await two.run("org", "remove", "one")
    assert (removed.code, "its history stays" in removed.out) == (0, True)
    assert await stored(two) == ["two"]
    assert await rows(url_of(two), "SELECT 1 FROM cadence_sync.oauth_tokens WHERE org_id = 'one'") == []
    assert await synced(two) == ["two"]
    unknown = await two.run("sync", "--org", "one")
    assert (unknown.code, "Known: two" in unknown.err) == (2, True)
    assert [row["org_id"] for row in (await two.run("org", "list", "--json")).json] == ["two"]
    assert len((await two.run("list", "--org", "one", "--json")).json) == 3
    everyone = (await two.run("org", "list", "--all", "--json")).json
    assert [row["org_id"] for row in everyone if row["removed_at"]] == ["one"]
    token = two.cwd / "token"
    token.write_text(credentials(0).refresh_token)
    assert (await two.run("org", "add", "one", "--refresh-token-file", str(token))).code == 0
    (report, _) = (await two.run("sync", "--json")).json
    assert (report["org_id"], report["unchanged"], report["baseline"]) == ("one", 3, 0)


@pytest.mark.parametrize("command", [["remove"], ["remove", "--purge", "--yes"], ["pause"]], ids=" ".join)
async def test_a_removed_or_paused_one_leaves_the_queue(two: Program, command: list[str]) -> None:
    assert (await two.run("sync", "--queue")).code == 0
    assert (await two.run("org", *command, "one")).code == 0
    jobs = await rows(url_of(two), "SELECT dedupe_key FROM cadence_queue.pgqueuer WHERE status = 'queued'")
    assert [job["dedupe_key"] for job in jobs] == ["two"]


@pytest.mark.parametrize("command", [["remove"], ["remove", "--purge", "--yes"], ["pause"], ["resume"], ["schedule"]])
async def test_one_that_is_not_there(agency: Program, command: list[str]) -> None:
    result = await agency.run("org", *command, "nobody")
    assert (result.code, result.out, "no organization 'nobody'" in result.err) == (1, "", True)


async def test_a_purge_deletes_everything_of_one_and_nothing_of_another(two: Program, agencys_zoho: Simulator) -> None:
    for kind in ("rename", "create", "delete"):
        agencys_zoho.edit_one(kind, next(iter(agencys_zoho.orgs[0].cadences)) if kind != "create" else None)
    agencys_zoho.edit(3, 1)
    assert (await two.run("sync")).code == 0
    before = await everything(two, "two")
    result = await two.run("org", "remove", "one", "--purge", "--yes", "--json")
    assert (result.code, result.json["org_id"]) == (0, "one"), result.err
    counts = result.json["purged"]
    assert (counts["orgs"], counts["sync_runs"], counts["org_credentials"]) == (1, 2, 1)
    assert counts["cadence_versions"] > 4
    assert counts["cadence_changes"] > 1
    assert await everything(two, "one") == []
    assert await everything(two, "two") == before
    assert await broken(url_of(two)) == {}
    assert (await two.run("doctor", "--deep")).code == 0
    refused = await rows_refused(two)
    assert "append-only" in refused


async def test_a_run_that_is_under_way_does_not_bring_back_what_was_purged(
    two: Program, agencys_zoho: Simulator
) -> None:
    assert (await two.run("org", "pause", "two")).code == 0
    process = await fetching(two, agencys_zoho, seconds=5)
    assert (await two.run("org", "remove", "one", "--purge", "--yes")).code == 0
    code, out = await ended(process)
    assert (code, json.loads(out)[0]["error"]["code"]) == (8, "ORG_BUSY")
    assert await everything(two, "one") == []


async def test_bytes_that_are_no_text_name_no_organization(agency: Program) -> None:
    odd = os.fsdecode(b"\xff")
    for command, code in ((["sync", "--org"], 2), (["org", "pause"], 1), (["org", "remove", "--purge", "--yes"], 1)):
        result = await agency.run(*command, odd)
        assert (result.code, "no organization" in result.err, "Traceback" in result.err) == (code, True, False)


OF_NONE = {"access_tokens", "alembic_version", "reader_limits", "reporting_layer", "web_sessions"}
"""Tables that belong to no organization."""


async def everything(program: Program, org_id: str) -> list[str]:
    """Return every row of an organization, but for what people did."""
    url, found = url_of(program), list[str]()
    for table in await rows(url, TABLES):
        if table["name"] not in {*OF_NONE, *KEPT}:
            query = f"SELECT t::text AS row FROM cadence_sync.{table['name']} t WHERE org_id = '{org_id}' ORDER BY 1"
            found += [row["row"] for row in await rows(url, query)]
    return found


async def rows_refused(program: Program) -> str:
    """Return what the database says to a rewriting of history."""
    try:
        await rows(url_of(program), "DELETE FROM cadence_sync.cadence_versions")
    except Exception as error:  # noqa: BLE001 - its text is what is asked for
        return str(error)
    return ""


async def test_a_purge_wants_the_id_typed(two: Program) -> None:
    piped = await two.run("org", "remove", "one", "--purge")
    assert (piped.code, "--yes" in piped.err) == (2, True)
    purge = ("org", "remove", "one", "--purge")
    code, shown = await cli.conversation(*purge, answers=[("id", "two")], cwd=two.cwd, **two.settings)
    assert (code, "nothing was deleted" in shown) == (2, True)
    assert len(await everything(two, "one")) > 5
    code, shown = await cli.conversation(*purge, answers=[("id", "one")], cwd=two.cwd, **two.settings)
    assert (code, await everything(two, "one")) == (0, []), shown


async def test_keys_are_rotated_once_and_the_old_one_is_needed_no_more(two: Program) -> None:
    first = await two.run("rotate-keys", "--json", ENCRYPTION_KEYS=f"{NEW},{KEY}")
    assert (first.code, first.json) == (0, {"credentials": 2, "tokens": 2, "current": 0, "lost": []})
    again = await two.run("rotate-keys", "--json", ENCRYPTION_KEYS=f"{NEW},{KEY}")
    assert (again.code, again.json) == (0, {"credentials": 0, "tokens": 0, "current": 4, "lost": []})
    assert (await two.run("sync", ENCRYPTION_KEYS=NEW)).code == 0
    assert (await two.run("sync", ENCRYPTION_KEYS=KEY)).code == 2


async def test_what_no_key_fits_is_named_and_the_rest_is_rotated(two: Program) -> None:
    await rows(url_of(two), "UPDATE cadence_sync.org_credentials SET encrypted_credentials = 'x' WHERE org_id = 'one'")
    # What has ended is no loss.
    await rows(
        url_of(two), "UPDATE cadence_sync.oauth_tokens SET encrypted_token = 'x', expires_at = now() - interval '1s'"
    )
    result = await two.run("rotate-keys", ENCRYPTION_KEYS=f"{NEW},{KEY}")
    assert (result.code, "credentials of 'one'" in result.err) == (2, True)
    assert "the credentials of 1 organization(s), 0 access token(s)" in result.out
    reports = (await two.run("sync", "--json", ENCRYPTION_KEYS=NEW)).json
    assert [report["error"] and report["error"]["code"] for report in reports] == ["WRONG_ENCRYPTION_KEYS", None]
    assert (await two.run("rotate-keys", ENCRYPTION_KEYS=None)).code == 2


async def test_a_row_cannot_stand_in_for_another_s(two: Program) -> None:
    await rows(
        url_of(two),
        "UPDATE cadence_sync.org_credentials SET encrypted_credentials ="
        " (SELECT encrypted_credentials FROM cadence_sync.org_credentials WHERE org_id = 'two') WHERE org_id = 'one'",
    )
    reports = (await two.run("sync", "--json")).json
    assert [report["error"] and report["error"]["code"] for report in reports] == ["WRONG_ENCRYPTION_KEYS", None]


async def test_a_database_that_is_not_there_fails_each_organization_of_the_settings(program: Program) -> None:
    (Path(program.cwd) / "cadence-sync.toml").write_text('[orgs.acme]\nzoho_refresh_token = "t"')
    result = await program.run("sync", "--json", DATABASE_URL="postgresql://u@127.0.0.1:9/x")
    assert result.code == 5
    assert [(r["org_id"], r["error"]["code"]) for r in result.json] == [
        ("default", "DATABASE_UNREACHABLE"),
        ("acme", "DATABASE_UNREACHABLE"),
    ]
