"""`doctor`: one failure never hides another, each says what to do, and the gravest gives the exit code."""

import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cadence_sync.config.settings import Settings, load_settings
from cadence_sync.core.report import most_severe
from cadence_sync.db import diagnostics
from cadence_sync.db.diagnostics import Daemons
from cadence_sync.db.queue import Depth
from cadence_sync.doctor import orgs
from cadence_sync.doctor.checks import Check, CheckState
from cadence_sync.doctor.database import clock_check, encryption_checks, queue_check, settings_checks
from cadence_sync.doctor.examination import examine_all
from cadence_sync.doctor.orgs import OrgFacts, credits_check, stored_checks
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import Program, fault
from tests.support import cli
from tests.support.invariants import rows
from tests.support.lab import Lab
from tests.support.records import record

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GONE = "postgresql://someone:hunter2@127.0.0.1:9/crm"


@pytest.fixture
async def settings_of(
    simulator: Simulator, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Callable[..., Callable[[], Settings]]]:
    """Return what reads the settings of the simulator's organization, with some changed."""
    monkeypatch.chdir(tmp_path)
    async with running(simulator) as url:

        def of(**changes: str | None) -> Callable[[], Settings]:
            for name, value in (cli.zoho_settings(url, DATABASE_URL=database_url) | changes).items():
                if value is None:
                    monkeypatch.delenv(f"CADENCE_SYNC_{name}", raising=False)
                else:
                    monkeypatch.setenv(f"CADENCE_SYNC_{name}", value)
            return load_settings

        yield of


def states(checks: list[Check]) -> dict[str, CheckState]:
    return {check.name: check.state for check in checks}


def exit_code_of(checks: list[Check]) -> int:
    return most_severe(check.exit_code for check in checks)


def bad(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.state in {CheckState.WARNING, CheckState.FAILED}]


Of = Callable[..., Callable[[], Settings]]


async def test_all_is_well_after_a_first_sync(program: Program) -> None:
    assert (await program.run("sync")).code == 0
    result = await program.run("doctor", "--json")
    assert (result.code, result.err) == (0, "")
    # The server of the tests may be an old one.
    assert {check["state"] for check in result.json if check["name"] != "version"} == {"ok"}
    assert {check["name"] for check in result.json} == {
        "settings", "database", "version", "rights", "migrations", "queue tables", "database clock", "queue", "room",
        "readers",
        "credentials", "token", "scope", "API", "Zoho's clock", "credits",
        "freshness", "deletions", "quarantine", "schema drift",
    }  # fmt: skip
    shown = await program.run("doctor", "--deep", "--offline")
    lines = shown.out.splitlines()
    assert (shown.code, "✓ migrations: at revision" in shown.out) == (0, True)
    assert lines[-1] in {"24 ok, 5 not checked", "23 ok, 1 warning, 5 not checked"}
    assert "- default: token: not checked: --offline" in lines
    assert "\x1b" not in shown.out


@pytest.mark.process
async def test_it_says_which_embedded_server_there_is(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    result = await cli.run("doctor", "--json", "--offline", cwd=tmp_path, DATA_DIR=data_dir)
    (said,) = [check["what"] for check in result.json if check["name"] == "embedded server"]
    assert data_dir in said or "/var/lib/cadence-sync" in said
    assert said.startswith("Postgres 18.")


async def test_a_database_that_is_gone_hides_nothing_of_zoho_and_no_secret_is_shown(program: Program) -> None:
    result = await program.run("doctor", DATABASE_URL=GONE, ZOHO_REFRESH_TOKEN="a-token-that-is-wrong")
    assert result.code == 5
    for line in (
        "✗ database: The database cannot be reached (ConnectionRefusedError).",
        "- migrations: not checked: the database cannot be reached",
        "✗ default: token: Zoho does not know the refresh token.",
        "- default: freshness: not checked: the database cannot be read",
    ):
        assert line in result.out.splitlines()
    for secret in ("hunter2", "a-token-that-is-wrong", program.settings["ZOHO_CLIENT_SECRET"] or ""):
        assert secret not in result.out + result.err


async def test_settings_that_cannot_be_read_are_reported_with_all_that_waits_for_them(program: Program) -> None:
    result = await program.run("doctor", "--json", ZOHO_DATA_CENTER="mars")
    first, *others = result.json
    assert (result.code, first["name"], first["state"], first["code"]) == (2, "settings", "failed", "INVALID_SETTINGS")
    assert {check["state"] for check in others} == {"not checked"}


FAULTS: list[tuple[dict[str, object], dict[str, CheckState], int, str]] = [
    (
        {"code": "OAUTH_SCOPE_MISMATCH"},
        {"token": CheckState.OK, "scope": CheckState.FAILED, "API": CheckState.OK},
        3,
        "ZohoCRM",
    ),
    ({"code": "NO_PERMISSION"}, {"scope": CheckState.FAILED}, 3, "Manage Cadences"),
    ({"code": "AUTHENTICATION_FAILURE"}, {"token": CheckState.FAILED, "scope": CheckState.UNKNOWN}, 3, "data center"),
    (
        {"code": "INTERNAL_SERVER_ERROR"},
        {"token": CheckState.OK, "scope": CheckState.UNKNOWN, "API": CheckState.FAILED},
        4,
        "status",
    ),
]


@pytest.mark.parametrize(("struck", "expected", "code", "cure"), FAULTS, ids=lambda value: str(value)[:30])
async def test_one_call_tells_token_scope_and_api_apart(
    simulator: Simulator,
    settings_of: Of,
    struck: dict[str, object],
    expected: dict[str, CheckState],
    code: int,
    cure: str,
) -> None:
    simulator.faults.add(fault("status", times=9, **struck))
    checks = await examine_all(settings_of())
    assert states(checks).items() >= expected.items()
    (failed,) = [check for check in checks if check.state is CheckState.FAILED]
    assert (exit_code_of(checks), cure in failed.hint) == (code, True)
    assert states(checks)["credits"] is CheckState.OK


async def test_a_spent_budget_is_no_reason_for_one_more_call(simulator: Simulator, settings_of: Of, lab: Lab) -> None:
    await lab.sync(record("1"))
    await lab.execute("UPDATE cadence_sync.sync_runs SET started_at = now(), api_calls = 100")
    checks = await examine_all(settings_of(ZOHO_DAILY_CALL_LIMIT="100"))
    assert (states(checks)["credits"], exit_code_of(checks)) == (CheckState.FAILED, 4)
    assert list(simulator.journal.requests) == []


@pytest.mark.parametrize(
    ("statement", "name", "code", "cure"),
    [
        ("UPDATE cadence_sync.alembic_version SET version_num = '0000'", "migrations", "NOT_MIGRATED", "migrate"),
        ("UPDATE cadence_sync.alembic_version SET version_num = '9999'", "migrations", "DATABASE_TOO_NEW", "newer"),
        ("DROP TABLE cadence_queue.leader", "queue tables", "NOT_MIGRATED", "migrate"),
    ],
)
async def test_tables_that_do_not_fit(
    lab: Lab, settings_of: Of, statement: str, name: str, code: str, cure: str
) -> None:
    await lab.execute(statement)
    checks = await examine_all(settings_of(), deep=True)
    (failed,) = [check for check in checks if check.state is CheckState.FAILED]
    assert (failed.name, failed.code, cure in failed.hint, exit_code_of(checks)) == (name, code, True, 5)
    assert (states(checks)["queue"], states(checks)["API"]) == (CheckState.UNKNOWN, CheckState.OK)


async def test_a_defect_in_one_look_hides_no_other(lab: Lab, settings_of: Of, monkeypatch: pytest.MonkeyPatch) -> None:
    await lab.sync(record("1"))

    def broken(*_arguments: object) -> None:
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(diagnostics, "size", broken)
    monkeypatch.setattr(orgs, "_drift", broken)
    checks = await examine_all(settings_of())
    failed = [check for check in checks if check.state is CheckState.FAILED]
    assert [(check.name, check.message, check.code) for check in failed] == [
        ("room", "Unexpected KeyError.", "UNEXPECTED"),
        ("organization", "Unexpected KeyError.", "UNEXPECTED"),
    ]
    assert (states(checks)["queue"], exit_code_of(checks)) == (CheckState.OK, 1)
    with pytest.raises(KeyError):
        await examine_all(settings_of(), debug=True)


async def test_a_defect_in_the_look_at_zoho_is_shown_on_demand(
    settings_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(orgs, "_compare_clocks", broken)
    checks = await examine_all(settings_of())
    assert [check.code for check in checks if check.name == "token"] == ["UNEXPECTED"]
    with pytest.RaisesGroup(KeyError):
        await examine_all(settings_of(), debug=True)


async def test_rights_that_are_lacking_are_named(lab: Lab, settings_of: Of, database_url: str) -> None:
    role = f"reader_of_{database_url.partition('?')[0].rpartition('/')[2]}"
    await lab.execute(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA cadence_sync, cadence_queue, cadence_reporting TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA cadence_sync, cadence_queue, cadence_reporting TO {role}",
    )
    try:
        checks = await examine_all(
            settings_of(DATABASE_URL=database_url.replace("postgres@", f"{role}@")), offline=True
        )
        failed = next(check for check in checks if check.state is CheckState.FAILED)
        assert (failed.name, failed.code) == ("rights", "DATABASE_PERMISSION")
        assert f"{role!r} lacks INSERT on cadence_sync.access_tokens, and" in failed.message
    finally:
        await lab.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_what_waits_for_a_person_has_the_exit_codes_of_a_sync(program: Program, database_url: str) -> None:
    assert (await program.run("sync")).code == 0
    await rows(
        database_url,
        "INSERT INTO cadence_sync.held_deletions (org_id, cadence_id, hold_id, missing_since)"
        " SELECT org_id, cadence_id, 1, now() FROM cadence_sync.cadences LIMIT 3",
    )
    await rows(
        database_url,
        "INSERT INTO cadence_sync.quarantined_records (org_id, run_id, position, reason, raw)"
        " VALUES ('default', 1, 1, 'odd', 'x')",
    )
    await rows(database_url, "INSERT INTO cadence_sync.schema_drift VALUES ('default', 'color', '1', now(), now())")
    result = await program.run("doctor", "--offline")
    assert result.code == 6
    assert "! default: deletions: 3 deletion(s) are held.\n    → `cadence-sync approve 1` deletes them" in result.out
    assert "! default: quarantine: 1 record(s) could not be read." in result.out
    assert "! default: schema drift: Zoho sends 1 unknown field(s) or word(s): color." in result.out


async def test_of_many_organizations_only_those_with_something_to_tell_are_shown(
    agency: Program, agencys_zoho: Simulator
) -> None:
    lines = [f"org-{index},simulator-refresh-{index}" for index in range(4)]
    (agency.cwd / "orgs.csv").write_text("\n".join(["org_id,refresh_token", *lines]))
    assert (await agency.run("org", "import", "orgs.csv", "--no-check")).code == 0
    assert (await agency.run("sync")).code == 0
    agencys_zoho.faults.add(fault("status", code="NO_PERMISSION", times=9, org=2))
    result = await agency.run("doctor")
    assert result.code == 3
    reported = [line for line in result.out.splitlines() if "org-" in line]
    assert [line.partition(":")[0] for line in reported] == ["✗ org-2"]
    assert "✓ organizations: 3 of 4 are well; --org ID shows one whole" in result.out
    one = await agency.run("doctor", "--org", "org-1")
    assert (one.code, "✓ org-1: token: Zoho hands out access tokens" in one.out) == (0, True)
    unknown = await agency.run("doctor", "--org", "nobody", "--json")
    assert (unknown.code, unknown.json[-1]["code"]) == (2, "UNKNOWN_ORG")


def test_a_file_that_others_may_read_and_a_variable_that_nothing_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cadence-sync.toml"
    file.write_text('zoho_client_secret = "s"')
    file.chmod(0o644)
    monkeypatch.delenv("CADENCE_SYNC_ZOHO_CLIENT_SECRET", raising=False)
    environ = {"CADENCE_SYNC_ZOHO_REFRESHTOKEN": "x", "CADENCE_SYNC_WEB_TOKEN_FILE": "x", "PATH": os.environ["PATH"]}
    _, mode, variable = settings_checks(load_settings(file), environ)
    assert (mode.state, f"chmod 600 {file}" in mode.hint) == (CheckState.WARNING, True)
    assert (variable.state, variable.hint) == (CheckState.WARNING, "Did you mean CADENCE_SYNC_ZOHO_REFRESH_TOKEN?")


def test_a_key_that_is_no_random_one_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADENCE_SYNC_ENCRYPTION_KEYS", f"{secrets.token_urlsafe(32)},a passphrase that is long enough")
    _, keys = settings_checks(load_settings(), {})
    assert (keys.name, keys.state, "number 2" in keys.message) == ("encryption keys", CheckState.WARNING, True)
    assert "passphrase" not in f"{keys.message} {keys.hint}"
    monkeypatch.setenv("CADENCE_SYNC_ENCRYPTION_KEYS", f"{secrets.token_urlsafe(32)},{secrets.token_hex(32)}")
    assert [check.state for check in settings_checks(load_settings(), {})] == [CheckState.OK]


@pytest.mark.parametrize(
    ("url", "variables", "found"),
    [
        ("postgresql://db.example.com/x", {}, [(CheckState.WARNING, "sslmode=prefer")]),
        ("postgresql://10.0.0.5/x?sslmode=require", {}, [(CheckState.WARNING, "sslmode=require")]),
        ("postgresql://db.example.com/x?sslmode=verify_ca", {}, [(CheckState.WARNING, "sslmode=verify-ca")]),
        ("postgresql://db.example.com/x?sslmode=disable", {}, [(CheckState.WARNING, "sslmode=disable")]),
        ("postgresql://localhost,db.example.com:5433/x", {}, [(CheckState.WARNING, "db.example.com")]),
        ("postgresql:///x?host=db.example.com", {}, [(CheckState.WARNING, "db.example.com")]),
        ("postgresql:///x", {"PGHOST": "db.example.com"}, [(CheckState.WARNING, "db.example.com")]),
        ("postgresql://db.example.com/x?sslmode=verify-full", {}, [(CheckState.OK, "db.example.com")]),
        ("postgresql://db.example.com/x", {"PGSSLMODE": "verify-full"}, [(CheckState.OK, "db.example.com")]),
        ("postgresql://u:p@[::1]:5432/x", {}, []),
        ("postgresql://127.0.0.1/x", {}, []),
        ("postgresql:///x?host=/run/postgresql", {}, []),
        ("postgresql:///x", {}, []),
    ],
)
@pytest.mark.parametrize("name", ["database_url", "database_direct_url"])
def test_a_database_elsewhere_is_to_prove_who_it_is(
    name: str, url: str, variables: dict[str, str], found: list[tuple[CheckState, str]]
) -> None:
    checks = encryption_checks(Settings.model_validate({name: url}), variables)
    assert [(check.state, word in check.message) for check, (_, word) in zip(checks, found, strict=True)] == [
        (state, True) for state, _ in found
    ]
    assert all(f"CADENCE_SYNC_{name.upper()}" in check.message for check in checks)


@pytest.mark.parametrize(("seconds", "words"), [(0, "agree"), (-5, "agree"), (9, "9 s ahead"), (-90, "90 s behind")])
def test_clocks_are_compared_with_the_two_looks_around_them(seconds: int, words: str) -> None:
    check = clock_check("clock", "Its", NOW + timedelta(seconds=seconds), NOW, NOW)
    assert (words in check.message, check.state is CheckState.OK) == (True, words == "agree")


LIVES = Daemons(leader_silent=1.0, connections=2, silent_jobs=0)


@pytest.mark.parametrize(
    ("depth", "daemons", "words"),
    [
        (Depth(0, 3, 0), LIVES, "3 are under way; a scheduler leads"),
        (Depth(0, 0, 0), replace(LIVES, leader_silent=None), "no scheduler leads"),
        (Depth(0, 0, 0), replace(LIVES, leader_silent=3600.0), "no scheduler leads"),
        (Depth(9, 0, 7300), LIVES, "waits for 2 hours, and the workers are busy"),
        (Depth(9, 0, 1000), replace(LIVES, connections=0), "no daemon is connected"),
        (Depth(0, 1, 0), replace(LIVES, silent_jobs=1), "not heard of"),
    ],
)
def test_the_queue_is_judged_by_who_waits_and_who_works(depth: Depth, daemons: Daemons, words: str) -> None:
    assert words in queue_check(depth, daemons).message


@pytest.mark.parametrize(
    ("left", "calls", "budget", "well"),
    [(None, 9, None, True), (5000, 9, 100, True), (100, 9, None, False), (None, 80, 100, False)],
)
def test_credits_that_run_out_are_reported_before(left: int | None, calls: int, budget: int | None, well: bool) -> None:
    assert (credits_check(left, calls, budget).state is CheckState.OK) is well


@pytest.mark.parametrize(
    ("row", "changes", "words"),
    [
        ({"last_success_at": NOW - timedelta(hours=1)}, {}, "synced 1 hour ago"),
        ({"last_success_at": NOW - timedelta(hours=3)}, {}, "was 3 hours ago: the next one is late"),
        ({"last_success_at": NOW - timedelta(hours=25)}, {"sync_interval": "1d"}, "synced 1 day ago"),
        ({"last_success_at": NOW - timedelta(days=3)}, {"sync_cron": "0 0 * * 5"}, "synced 3 days ago"),
        ({"last_success_at": NOW - timedelta(days=5)}, {"sync_cron": "0 0 * * 5"}, "late"),
        ({"last_success_at": None}, {}, "never synced to the end"),
        ({"last_success_at": None, "last_outcome": "failed"}, {}, "The last run failed (X): Why."),
        (None, {}, "It was never synced."),
    ],
)
def test_freshness_goes_by_the_schedule(row: dict[str, Any] | None, changes: dict[str, str], words: str) -> None:
    usual = {"last_outcome": "succeeded", "last_error_code": "X", "last_error_message": "Why.", "last_error_hint": None}
    nothing = {"held": 0, "quarantined": 0}
    known = OrgFacts(status={} if row is None else {"acme": usual | nothing | row})
    settings = Settings(**changes)  # type: ignore[arg-type]
    first, *_ = stored_checks(settings, "acme", known, NOW)
    assert words in first.message


async def test_an_address_of_alerts_that_cannot_work_is_found_before_anything_is_to_be_reported(
    settings_of: Of,
) -> None:
    slack = "slack://TAAAAAAAA/BAAAAAAAA/abcdefghijABCDEFGHIJ4718/#one"
    fine = await examine_all(settings_of(ALERT_URLS=slack), offline=True)
    assert [check.message.partition(";")[0] for check in fine if check.name == "alerts"] == ["1 channel"]
    checks = await examine_all(settings_of(ALERT_URLS=f"{slack}/#two"), offline=True)
    (failed,) = bad([check for check in checks if check.name == "alerts"])
    assert (failed.exit_code, "names 2 targets" in failed.message, "4718" in str(failed)) == (2, True, False)
    assert not [check for check in await examine_all(settings_of(ALERT_URLS=None)) if check.name == "alerts"]
