"""`init` on a terminal: from nothing to a file that works; Ctrl-C at any time leaves nothing behind."""

import os
import stat
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from cadence_sync.cli import init_questions
from cadence_sync.cli.commands.init import check_target, render_toml, write
from cadence_sync.config.settings import DataCenter
from cadence_sync.errors import ArgumentError
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from cadence_sync.zoho.data_centers import sites
from cadence_sync.zoho.errors import SCOPE
from tests.cli.conftest import KEY, Program, fault
from tests.cli.test_org_add import stored
from tests.support import cli
from tests.support.invariants import rows

KNOWN = credentials(0)
UNSET = dict.fromkeys(("ZOHO_CLIENT_ID", "ZOHO_CLIENT_SECRET", "ZOHO_REFRESH_TOKEN"))
FILE = "cadence-sync.toml"
CLIENT = [("Client id", KNOWN.client_id), ("Client secret", KNOWN.client_secret)]
CODE = ("Grant code", KNOWN.grant_code)


async def talk(program: Program, *answers: tuple[str, str], **changes: str | None) -> tuple[int | None, str]:
    settings = program.settings | UNSET | changes
    return await cli.conversation("init", answers=answers, cwd=program.cwd, **settings)


def left_behind(program: Program) -> list[str]:
    return sorted(path.name for path in program.cwd.iterdir())


async def test_from_an_empty_database_to_a_first_sync(
    program: Program, simulator: Simulator, empty_database_url: str
) -> None:
    simulator.faults.add(fault("status", code="OAUTH_SCOPE_MISMATCH", times=1))
    wrong = empty_database_url.replace("postgresql://", "mysql://")
    gone = "postgresql://u:hunter2@127.0.0.1:9/x"
    code, shown = await talk(
        program,
        ("Address", wrong),
        ("Address", gone),
        ("Address", empty_database_url),
        ("Make them now", "y"),
        ("Data center", "mars"),
        ("Data center", "eu"),
        ("Client id", "two words"),
        ("Client id", "1000.UNKNOWN"),
        ("Client secret", KNOWN.client_secret),
        CODE,
        ("Client id", KNOWN.client_id),
        ("Client secret", "wrong"),
        ("Client secret", KNOWN.client_secret),
        # The scope of the first code is wrong, and with that it is used.
        ("Grant code", KNOWN.grant_code),
        ("Grant code", f"{KNOWN.grant_code}-b"),
        ("first sync", "y"),
        DATABASE_URL=None,
    )
    assert code == 0, shown
    for words in (
        "expected a postgresql:// address",
        "The database cannot be reached",
        "There is no data center 'mars'",
        SCOPE,
        "https://api-console.zoho.eu",
        "it holds blanks",
        "does not know the client id",
        "client secret is wrong",
        "The refresh token may not read cadences",
        "Zoho lets cadence-sync read the cadences",
        "CADENCE_SYNC_WEB_TOKEN",
    ):
        assert words in shown, words
    for name in get_args(DataCenter):
        assert sites(name)[0] in shown
    for secret in (KNOWN.client_secret, KNOWN.grant_code, KNOWN.refresh_token):
        assert secret not in shown
    file = program.cwd / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tomllib.loads(file.read_text()) == {
        "database_url": empty_database_url,
        "zoho_data_center": "eu",
        "zoho_api_url": program.settings["ZOHO_API_URL"],
        "zoho_accounts_url": program.settings["ZOHO_ACCOUNTS_URL"],
        "zoho_client_id": KNOWN.client_id,
        "zoho_client_secret": KNOWN.client_secret,
        "zoho_refresh_token": KNOWN.refresh_token,
    }
    assert left_behind(program) == [FILE]
    (row,) = await rows(empty_database_url, "SELECT outcome, seen FROM cadence_sync.sync_runs")
    assert (row["outcome"], row["seen"]) == ("succeeded", 25)


async def test_a_data_center_may_be_named_in_capitals(program: Program) -> None:
    settings = program.settings | UNSET
    answers = [("Client id", cli.INTERRUPT)]
    code, shown = await cli.conversation("init", "--data-center", "EU", answers=answers, cwd=program.cwd, **settings)
    assert (code, "https://api-console.zoho.eu" in shown) == (130, True), shown


async def test_an_old_file_is_kept_unless_somebody_says_otherwise(program: Program) -> None:
    file = program.cwd / FILE
    file.write_text('log_level = "DEBUG"\n')
    file.chmod(0o644)
    code, shown = await talk(program, ("Replace it", "n"))
    assert (code, "Nothing was changed." in shown, file.read_text()) == (0, True, 'log_level = "DEBUG"\n')
    code, shown = await talk(
        program,
        ("Replace it", "y"),
        ("Keep the old one", "y"),
        ("Data center", "us"),
        *CLIENT,
        ("Grant code", ""),
        ("Refresh token", KNOWN.refresh_token),
        ("first sync", "n"),
    )
    assert (code, "cadence-sync sync" in shown) == (0, True), shown
    assert "CADENCE_SYNC_DATABASE_URL names it" in shown
    assert "database_url" not in tomllib.loads(file.read_text())
    backup = program.cwd / f"{FILE}.bak"
    assert (backup.read_text(), stat.S_IMODE(backup.stat().st_mode)) == ('log_level = "DEBUG"\n', 0o600)
    assert (await program.run("sync", **UNSET)).code == 0


async def test_a_former_address_is_offered_without_its_password(program: Program) -> None:
    code, shown = await talk(
        program,
        ("Address", "postgresql://ana@127.0.0.1:9/x?connect_timeout=1"),
        ("Password", "hunter2"),
        ("Address; - for the embedded server [postgresql://ana@127.0.0.1:9/x?connect_timeout=1]", ""),
        ("Password", cli.INTERRUPT),
        DATABASE_URL=None,
    )
    assert (code, "hunter2" in shown, "CADENCE_SYNC_DATABASE_URL" in shown) == (130, False, False), shown
    assert shown.count("The database cannot be reached") == 1


async def test_a_code_that_was_swapped_before_the_network_failed_is_not_asked_for_again(
    program: Program, simulator: Simulator
) -> None:
    simulator.faults.add(fault("html", status=502, times=2))
    answers = [("Data center", "us"), *CLIENT, CODE, *[("Try again", "y")] * 2, ("first sync", "n")]
    code, shown = await talk(program, *answers)
    assert (code, shown.count("Grant code"), shown.count("Try again")) == (0, 1, 2), shown
    assert "request_retry" not in shown
    assert "code is used" not in shown
    assert tomllib.loads((program.cwd / FILE).read_text())["zoho_refresh_token"] == KNOWN.refresh_token


async def test_where_zoho_is_out_of_reach_nothing_is_typed_anew(program: Program) -> None:
    code, shown = await talk(
        program,
        ("Data center", "eu"),
        *CLIENT,
        ("Grant code", ""),
        ("Refresh token", KNOWN.refresh_token),
        ("Try again", "y"),
        ("Try again", "n"),
        ("Data center [eu]", ""),
        (f"Client id [{KNOWN.client_id}]", ""),
        ("Client secret", cli.INTERRUPT),
        ZOHO_ACCOUNTS_URL="http://127.0.0.1:9",
    )
    assert (code, shown.count("There is no connection to 127.0.0.1:9.")) == (130, 2), shown
    assert "request_retry" not in shown
    assert KNOWN.client_secret not in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ana:hunter2@db.test,other.test/crm", "postgresql://ana@db.test,other.test/crm"),
        ("postgresql://db.test/crm?password=hunter2&sslmode=require", "postgresql://db.test/crm?sslmode=require"),
        ("", "-"),
    ],
)
def test_an_offered_address_holds_no_password(url: str, shown: str) -> None:
    assert init_questions._without_password(url) == shown


@pytest.mark.parametrize("after", ["Data center", "Client secret", "Grant code"])
async def test_ctrl_c_leaves_nothing_behind(program: Program, after: str) -> None:
    answers = [("Data center", "us"), *CLIENT, CODE]
    reported = [name for name, _ in answers].index(after)
    code, shown = await talk(program, *answers[:reported], (after, cli.INTERRUPT))
    assert (code, left_behind(program), "Traceback" in shown) == (130, [], False), shown


async def test_credentials_go_into_the_database_where_that_is_wanted(agency: Program) -> None:
    code, shown = await talk(
        agency,
        ("Data center", "us"),
        *CLIENT,
        CODE,
        ("encrypted", "y"),
        ("Id of the organization", "acme"),
        ("first sync", "y"),
        ENCRYPTION_KEYS=KEY,
    )
    assert code == 0, shown
    assert await stored(agency) == ["acme"]
    assert tomllib.loads((agency.cwd / FILE).read_text()) == {}


async def test_without_a_terminal_it_says_what_to_do_instead(program: Program) -> None:
    result = await program.run("init")
    assert (result.code, result.out, left_behind(program)) == (2, "", [])
    assert "no terminal" in result.err
    assert "org add --grant-code-file" in result.err


async def test_a_link_is_not_followed(program: Program) -> None:
    (program.cwd / FILE).symlink_to("elsewhere.toml")
    code, shown = await talk(program)
    assert (code, "is a symbolic link" in shown, left_behind(program)) == (2, True, [FILE])


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / FILE
    write(target, "old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ArgumentError, match="No space left"):
        write(target, "new", keep_old=True)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert target.read_text() == "old"


@pytest.mark.parametrize("made", ["folder", "missing", "pipe"])
def test_what_is_no_place_for_a_file_is_refused(tmp_path: Path, made: str) -> None:
    target = tmp_path / "x" / FILE if made == "missing" else tmp_path / FILE
    if made == "folder":
        target.mkdir()
    if made == "pipe":
        os.mkfifo(target)
    with pytest.raises(ArgumentError):
        check_target(target)


@pytest.mark.parametrize(
    ("typed", "hidden", "url"),
    [
        (
            "postgres://ana@db.test/crm?sslmode=require",
            "p@ss/word",
            "postgresql://ana:p%40ss%2Fword@db.test/crm?sslmode=require",
        ),
        ("postgresql://ana@db.test/crm", "", "postgresql://ana@db.test/crm"),
        ("postgresql://ana:known@db.test/crm", "never asked for", "postgresql://ana:known@db.test/crm"),
        ("", "never asked for", ""),
    ],
)
def test_a_password_is_asked_for_apart(monkeypatch: pytest.MonkeyPatch, typed: str, hidden: str, url: str) -> None:
    monkeypatch.setattr(init_questions, "prompt", lambda _question, **how: hidden if how["hidden"] else "")
    assert init_questions._url(typed) == url


@pytest.mark.parametrize("value", ['a"b\\c', "p\x7f\x01\n", "日本 🎉", "'''", ""])
def test_any_value_comes_back_as_it_was(value: str) -> None:
    assert tomllib.loads(render_toml({"database_url": value})) == {"database_url": value}
