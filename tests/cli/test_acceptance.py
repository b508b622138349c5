"""The installed command, from an empty database to a history that people can read."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program, fault

SAMPLE = Path(__file__).parents[1] / "samples" / "v7-list.json"
FIRST = "3652397000017949001"


async def test_the_documented_listing_lands_and_a_second_sync_finds_nothing_to_do(
    program: Program, plain_zoho: PlainZoho
) -> None:
    plain_zoho.body = SAMPLE.read_bytes()
    first = await program.run("sync", "--json")
    assert first.code == 0, first.err
    (report,) = first.json
    assert report["run_id"] == 1
    assert report.pop("duration_seconds") > 0
    counters = {"baseline": 2, "created": 0, "updated": 0, "deleted": 0, "restored": 0, "quarantined": 0, "held": 0}
    assert report == {
        "org_id": "default", "run_id": 1, "outcome": "succeeded", "seen": 2, "unchanged": 0, **counters,
        "api_calls": 1, "error": None,
    }  # fmt: skip
    (second,) = (await program.run("sync", "--json")).json
    assert (second["run_id"], second["seen"], second["unchanged"], second["baseline"]) == (2, 2, 2, 0)
    shown = (await program.run("show", FIRST, "--json")).json
    assert shown["custom_view_id"] == "3652397000000087529"
    assert shown["created_time"] == "2024-07-18T03:38:22+00:00"
    assert shown["execution_end_date"] is None


async def test_edits_in_zoho_become_history(program: Program, simulator: Simulator) -> None:
    assert (await program.run("sync")).code == 0
    renamed = simulator.edit_one("rename").cadence_id
    deleted = simulator.edit_one("delete").cadence_id
    simulator.edit_one("create")
    assert renamed is not None
    (report,) = (await program.run("sync", "--json")).json
    assert (report["updated"], report["deleted"], report["created"], report["unchanged"]) == (1, 1, 1, 23)
    versions = (await program.run("history", renamed, "--json")).json
    assert [v["kind"] for v in versions] == ["baseline", "updated"]
    assert versions[0]["valid_to"] == versions[1]["valid_from"]
    (name,) = [c for c in versions[1]["changes"] if c["field"] == "name"]
    assert name["new_value"] == simulator.orgs[0].cadences[renamed].name != name["old_value"]
    assert name["changed_by_name"]
    live = (await program.run("list", "--json")).json
    assert {row["cadence_id"] for row in live} == simulator.orgs[0].cadences.keys()
    everything = (await program.run("list", "--deleted", "--json")).json
    assert [row["cadence_id"] for row in everything if row["deleted_at"]] == [deleted]


async def test_status_says_what_is_stored_and_how_the_last_run_went(program: Program, simulator: Simulator) -> None:
    await program.run("sync")
    simulator.faults.add(fault("status", status=403, code="NO_PERMISSION"))
    assert (await program.run("sync")).code == 3
    (row,) = (await program.run("status", "--json")).json
    assert (row["live"], row["last_outcome"], row["last_error_code"]) == (25, "failed", "NO_PERMISSION")
    assert row["last_success_at"] < row["last_finished_at"]
    text = (await program.run("status")).out
    assert "administrator" in text


async def test_output_for_pipes_is_plain_lines_and_for_programs_json_alone(program: Program) -> None:
    result = await program.run("sync", LOG_LEVEL="DEBUG")
    header, row = (line.split("\t") for line in result.out.splitlines())
    assert dict(zip(header, row, strict=True))["baseline"] == "25"
    result = await program.run("sync", "--json", LOG_LEVEL="DEBUG")
    assert json.loads(result.out)[0]["unchanged"] == 25
    assert "\x1b" not in result.out + result.err


async def test_a_dry_run_changes_nothing(program: Program, simulator: Simulator) -> None:
    (report,) = (await program.run("sync", "--dry-run", "--json")).json
    assert (report["run_id"], report["baseline"]) == (None, 25)
    assert (await program.run("status", "--json")).json == []
    assert simulator.journal.counts["list"] == 1


async def test_two_organizations_of_a_settings_file_sync_and_one_s_failure_stops_no_other(
    program: Program,
) -> None:
    (program.cwd / "cadence-sync.toml").write_text('[orgs.acme]\nzoho_refresh_token = "wrong"\n')
    result = await program.run("sync", "--json")
    default, acme = result.json
    assert (default["org_id"], default["outcome"], default["baseline"]) == ("default", "succeeded", 25)
    assert (acme["org_id"], acme["outcome"], acme["error"]["code"]) == ("acme", "failed", "INVALID_CODE")
    assert result.code == 3
    (only,) = (await program.run("sync", "--json", "--org", "default")).json
    assert only["org_id"] == "default"


async def test_a_sync_that_is_stopped_closes_its_run(program: Program, simulator: Simulator) -> None:
    simulator.change_settings(latency=30)
    process = await program.start("sync")
    while not simulator.journal.counts["token"] and process.returncode is None:
        await asyncio.sleep(0.05)
        if (await program.run("status", "--json")).json:
            break
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    (row,) = (await program.run("status", "--json")).json
    assert (row["last_outcome"], row["last_error_code"]) == ("failed", "INTERRUPTED")


@pytest.mark.process
async def test_the_demo_tells_its_story_and_can_be_run_again(tmp_path: Path) -> None:
    program = Program(tmp_path, {"TMP": None})
    for _ in range(2):
        result = await program.run("demo", DATABASE_URL="postgresql://127.0.0.1:9/never", ZOHO_API_VERSION="v9")
        assert result.code == 0, result.err
        for word in ("What changed", "The history of", "updated", "deleted", "created", "What to try next"):
            assert word in result.out
    assert list(tmp_path.iterdir()) == []


async def test_simulate_prints_settings_that_work(program: Program) -> None:
    process = await program.start("simulate", "--port", "0", "--cadences", "3")
    assert process.stdout is not None
    exported: dict[str, str | None] = {}
    async with asyncio.timeout(20):
        while "curl" not in (line := (await process.stdout.readline()).decode()):
            if line.startswith("export CADENCE_SYNC_"):
                name, _, value = line.removeprefix("export CADENCE_SYNC_").strip().partition("=")
                exported[name] = value
    (report,) = (await program.run("sync", "--json", **exported)).json
    assert report["baseline"] == 3
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode == 128 + signal.SIGINT


async def test_serve_syncs_at_once_and_on_schedule_until_it_is_stopped(program: Program, simulator: Simulator) -> None:
    process = await program.start("serve", SYNC_INTERVAL="1s", WEB_PORT="0")
    async with asyncio.timeout(40):
        while simulator.journal.counts["list"] < 2:
            assert process.returncode is None
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        await process.communicate()
    (row,) = (await program.run("status", "--json")).json
    assert row["live"] == 25
    assert row["last_outcome"] is not None
