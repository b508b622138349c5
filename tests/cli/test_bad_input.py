"""Bad input: one clear sentence, a hint, the documented exit code, and nothing lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from asyncpg import connect_utils

from cadence_sync.config.urls import DATABASE_WORDS, checked_database_url
from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import PlainZoho, Program
from tests.support import cli

WRONG_SETTINGS: list[tuple[dict[str, str | None], int, str]] = [
    ({"ZOHO_CLIENT_ID": None, "ZOHO_REFRESH_TOKEN": None}, 2, "CADENCE_SYNC_ZOHO_REFRESH_TOKEN"),
    ({"ZOHO_DATA_CENTER": "mars"}, 2, "CADENCE_SYNC_ZOHO_DATA_CENTER"),
    ({"ZOHO_API_URL": "http://zoho.example.com"}, 2, "loopback"),
    ({"ZOHO_ACCOUNTS_URL": "http://10.0.0.1"}, 2, "loopback"),
    ({"ZOHO_API_URL": "ftp://127.0.0.1"}, 2, "https"),
    ({"ZOHO_API_VERSION": "v6"}, 2, "CADENCE_SYNC_ZOHO_API_VERSION"),
    ({"ZOHO_TIMEOUT": "soon"}, 2, "CADENCE_SYNC_ZOHO_TIMEOUT"),
    ({"DATABASE_URL": "mysql://root:hunter2@127.0.0.1/x"}, 2, "postgresql://"),
    ({"DATABASE_URL": "postgresql://someone:hunter2@127.0.0.1:9/x"}, 5, "cannot be reached"),
    ({"DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:9/x?sslmode=requir"}, 2, "prefer, require, verify-ca"),
    ({"ZOHO_CLIENT_SECRET_FILE": "/nowhere/secret", "ZOHO_CLIENT_SECRET": None}, 2, "CLIENT_SECRET_FILE"),
]


@pytest.mark.parametrize(("settings", "code", "words"), WRONG_SETTINGS, ids=[str(s) for s, *_ in WRONG_SETTINGS])
async def test_settings_that_cannot_work(
    program: Program, settings: dict[str, str | None], code: int, words: str
) -> None:
    text = await program.run("sync", **settings)
    assert text.code == code
    assert text.err.startswith("Error: ")
    assert "Hint: " in text.err
    assert words in text.err
    assert "Traceback" not in text.err
    assert "hunter2" not in text.err + text.out
    result = await program.run("sync", "--json", **settings)
    assert result.code == code
    (report,) = result.json
    assert report["outcome"] == "failed"
    assert words in report["error"]["message"]
    assert report["error"]["hint"]
    assert "hunter2" not in result.err + result.out


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("target_session_attrs=hunter2", "prefer-standby, read-write, read-only as target_session_attrs"),
        ("sslnegotiation=hunter2", "postgres, direct as sslnegotiation"),
        ("ssl_min_protocol_version=hunter2", "TLSv1.3 as ssl_min_protocol_version"),
        ("gsslib=hunter2", "gssapi, sspi as gsslib"),
        ("port=hunter2", "a number as port"),
        ("hunter2", "%3F"),
    ],
)
def test_a_parameter_of_the_database_url_is_named_and_its_value_is_not(query: str, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        checked_database_url(f"postgresql://me:hunter2@127.0.0.1/x?{query}")
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("parameter", ["sslmod=hunter2", "work_mem=hunter2"])
async def test_a_parameter_that_the_server_refuses_is_named_too(program: Program, parameter: str) -> None:
    result = await program.run("status", DATABASE_URL=f"{program.settings['DATABASE_URL']}&{parameter}")
    assert (result.code, parameter.partition("=")[0] in result.err, "hunter2" in result.err) == (2, True, False)


def test_what_the_driver_takes_is_taken() -> None:
    modes = [member.name.replace("_", "-") for member in connect_utils.SSLMode]
    sessions = {member.value for member in connect_utils.SessionAttribute}
    negotiations = [member.value for member in connect_utils.SSLNegotiation]
    assert (DATABASE_WORDS["sslmode"], DATABASE_WORDS["sslnegotiation"]) == ((*modes,), (*negotiations,))
    assert set(DATABASE_WORDS["target_session_attrs"]) == sessions
    for mode in ("verify-full", "verify_full"):
        assert checked_database_url(f"postgres://h/x?sslmode={mode}").endswith(mode)


@pytest.mark.process
@pytest.mark.parametrize(
    ("variables", "words"),
    [({"PGSSLMODE": "hunter2"}, "correct PGSSLMODE"), ({"PGSSLMODE": "verify-full"}, "~/.postgresql/root.crt")],
)
async def test_what_only_the_driver_finds_wrong_is_a_setting_too(
    tmp_path: Path, around: Callable[..., None], variables: dict[str, str], words: str
) -> None:
    around(HOME=str(tmp_path), **variables)
    result = await cli.run("status", cwd=tmp_path, DATABASE_URL="postgresql://me:hunter2@127.0.0.1:9/x")
    assert (result.code, words in result.err, "hunter2" in result.err) == (2, True, False), result.err


@pytest.mark.process
@pytest.mark.parametrize(
    ("variables", "query", "words"),
    [
        ({"PGPORT": "hunter2"}, "", "a variable PG… cannot work"),
        ({}, "?sslnegotiation=direct", "Add sslmode=require"),
    ],
    ids=["port", "negotiation"],
)
async def test_what_does_not_go_together_is_no_defect(
    tmp_path: Path, around: Callable[..., None], variables: dict[str, str], query: str, words: str
) -> None:
    around(**variables)
    result = await cli.run("status", cwd=tmp_path, DATABASE_URL=f"postgresql://me:hunter2@127.0.0.1/x{query}")
    assert (result.code, words in result.err, "hunter2" in result.err) == (2, True, False), result.err


async def test_a_failure_before_an_organization_is_known_is_an_object_of_nulls(program: Program) -> None:
    (report,) = (await program.run("sync", "--json", ZOHO_DATA_CENTER="mars")).json
    assert report.pop("outcome") == "failed"
    assert report.pop("error")["code"] == "INVALID_SETTINGS"
    assert set(report.values()) == {None}
    assert len(report) == 13


async def test_an_unknown_organization(program: Program) -> None:
    result = await program.run("sync", "--org", "acme")
    assert (result.code, result.out) == (2, "")
    assert "no organization 'acme'" in result.err
    assert "Known: default" in result.err


async def test_a_database_that_is_not_migrated(program: Program, empty_database_url: str) -> None:
    for command in (["sync"], ["status"], ["list"], ["serve"]):
        result = await program.run(*command, DATABASE_URL=empty_database_url)
        assert result.code == 5, command
        assert "cadence-sync migrate" in result.err
    result = await program.run("migrate", DATABASE_URL=empty_database_url)
    assert result.code == 0
    assert (await program.run("sync", DATABASE_URL=empty_database_url)).code == 0


async def test_no_network(program: Program) -> None:
    assert (await program.run("sync")).code == 0
    gone = {"ZOHO_API_URL": "http://127.0.0.1:9", "ZOHO_MAX_ATTEMPTS": "1"}
    result = await program.run("sync", "--json", **gone)
    (report,) = result.json
    assert (result.code, report["error"]["code"]) == (4, "NO_CONNECTION")
    assert len((await program.run("list", "--json")).json) == 25


async def test_a_wrong_settings_file(program: Program) -> None:
    result = await program.run("--config", "missing.toml", "status")
    assert (result.code, "missing.toml" in result.err) == (2, True)
    file = program.cwd / "cadence-sync.toml"
    for text, words in (
        ("zoho_timeout =", "cannot be read"),
        ('color = "blue"', "color"),
        ("[orgs]\nx = 1", "orgs.x"),
    ):
        file.write_text(text)
        result = await program.run("status")
        assert (result.code, words in result.err) == (2, True), result.err


async def test_the_environment_beats_the_file_and_a_secret_may_stand_in_a_file(program: Program) -> None:
    secret = program.cwd / "secret"
    secret.write_text("simulator-secret\n")
    (program.cwd / "cadence-sync.toml").write_text('zoho_client_id = "from the file"\nzoho_per_page = 10\n')
    result = await program.run("sync", "--json", ZOHO_CLIENT_SECRET=None, ZOHO_CLIENT_SECRET_FILE=str(secret))
    (report,) = result.json
    assert (report["outcome"], report["api_calls"]) == ("succeeded", 3)


async def test_a_cadence_that_was_never_seen(program: Program) -> None:
    for command in ("show", "history"):
        result = await program.run(command, "404")
        assert (result.code, result.out) == (1, "")
        assert "There is no cadence '404'" in result.err


async def test_an_answer_that_makes_no_sense_is_a_failure_and_not_an_empty_organization(
    program: Program, plain_zoho: PlainZoho
) -> None:
    for body in (b"", b"<html>Login</html>", b'{"cadences": []}', b"[]", b'{"info": {}}', b"null"):
        plain_zoho.body = body
        result = await program.run("sync", "--json", ZOHO_MAX_ATTEMPTS="1")
        assert (result.code, result.json[0]["error"]["code"]) == (4, "INVALID_RESPONSE"), body


async def test_names_cannot_move_the_cursor_or_forge_a_line(program: Program, simulator: Simulator) -> None:
    org = simulator.orgs[0]
    cadence = next(iter(org.cadences.values()))
    cadence.name = "\x1b[2J\nfake\tline\u202e"
    org.touch()
    await program.run("sync")
    result = await program.run("list")
    assert len(result.out.splitlines()) == 26
    assert "\x1b" not in result.out


async def test_a_taken_port(program: Program, plain_zoho: PlainZoho) -> None:
    port = plain_zoho.url.rpartition(":")[2]
    for command in (["simulate", "--port", port], ["serve"]):
        result = await program.run(*command, WEB_PORT=port)
        assert result.code == 2, result.err
        assert port in result.err


async def test_serving_to_others_needs_a_token(program: Program) -> None:
    result = await program.run("serve", WEB_HOST="0.0.0.0")  # noqa: S104 - that it is refused is the point
    assert (result.code, "CADENCE_SYNC_WEB_TOKEN" in result.err) == (2, True)


async def test_a_cron_line_that_is_none(program: Program) -> None:
    result = await program.run("serve", SYNC_CRON="every day", WEB_PORT="0")
    assert (result.code, "CADENCE_SYNC_SYNC_CRON" in result.err) == (2, True)


async def test_a_fault_of_one_organization_s_settings_stops_no_other(program: Program) -> None:
    (program.cwd / "cadence-sync.toml").write_text("[orgs.acme]\n")
    result = await program.run("sync", "--json")
    default, acme = result.json
    assert (default["org_id"], default["outcome"]) == ("default", "succeeded")
    assert (acme["org_id"], acme["error"]["code"], acme["seen"]) == ("acme", "MISSING_CREDENTIALS", 0)
    assert result.code == 2
