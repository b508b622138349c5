"""`export --git`, looked at with git itself."""

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cadence_sync.export.fast_import import path_of, render_author
from cadence_sync.ports import Org
from cadence_sync.sync import SyncOptions
from tests.cli.conftest import Program
from tests.support import cli
from tests.support.lab import Lab
from tests.support.records import record, without

ANN = {"name": " Ann\n<ann@example.com>\tO'Neill ", "id": "7"}
FREE = SyncOptions(allow_mass_delete=True, allow_other_org=True)
LABELS = {"module_api_name", "custom_view_name", "created_by_name", "modified_by_name"}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True)
    return done.stdout.decode().rstrip("\n")


def tree(folder: Path, commit: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the files of a commit hold, by organization and cadence."""
    files = git(folder, "ls-tree", "-r", "--name-only", "-z", commit).split("\0")
    contents = [yaml.safe_load(git(folder, "show", f"{commit}:{file}")) for file in files if file]
    return {(content["org_id"], content["cadence_id"]): content for content in contents}


async def exported(program: Program, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    rows = (await program.run("export", *arguments)).json
    return {(row["org_id"], row["cadence_id"]): row for row in rows}


def same(files: dict[tuple[str, str], dict[str, Any]], rows: dict[tuple[str, str], dict[str, Any]]) -> bool:
    """Whether the files say what the rows say, and lack nothing but labels, counters and what is derived."""
    derived = {"follow_up_count", "execution_interval", "unenroll_type", "unenroll_end_date"}
    kept = {"version", "first_seen_at", "last_changed_at"}
    for key in {*files, *rows}:
        file, row = files[key], rows[key]
        assert file == {name: row[name] for name in file}
        missing = row.keys() - file.keys() - LABELS - derived - kept
        assert {name: row[name] for name in missing} == dict.fromkeys(missing)
    return True


def edited(lab: Lab, cadence_id: str, by: dict[str, str] = ANN, **changes: object) -> dict[str, Any]:
    """Return a record that somebody edited half a minute before the next sync."""
    at = lab.clock.time.replace(second=30)
    return record(cadence_id, modified_time=at.isoformat(), modified_by=by, **changes)


async def some_history(lab: Lab) -> None:
    """Write eight versions of three cadences, in 2026-01-05 from 09:01 on."""
    other, third = record("2", name="Other"), record("3", name="Third")
    await lab.sync(record("1"), other)
    await lab.sync(edited(lab, "1", name="New\nname", active=False), other)
    await lab.sync(third, other, permits=FREE)
    counts = {f"{kind}_follow_up_count": 0 for kind in ("email", "task", "call")}
    other = edited(lab, "2", name="Other", status="x", active=False, published=False, summary=counts)
    other["modified_time"] = str(other["modified_time"]).replace(":30+", ":31+")
    await lab.sync(edited(lab, "1", name="Back"), other, third)
    await lab.sync(edited(lab, "1", name="Back"), other, third)


async def test_every_change_is_a_commit(lab: Lab, program: Program) -> None:
    await some_history(lab)
    result = await program.run("export", "--git", "out")
    assert (result.code, result.out, result.err) == (0, "", "")
    folder = program.cwd / "out"
    ann = "Ann ann@example.com O'Neill <7@users.zoho.invalid>"
    nobody = "unknown <unknown@users.zoho.invalid>"
    assert git(folder, "log", "--reverse", "--format=%an <%ae>|%at|%ct|%s").splitlines() == [
        f"{author}|{time}|{time}|{subject}"
        for author, time, subject in (
            (nobody, 1767603660, "2 cadences: were there when watching began"),
            (ann, 1767603690, "New�name: active, name changed"),
            (nobody, 1767603780, "Third: created"),
            (nobody, 1767603780, "New�name: deleted"),
            (ann, 1767603810, "Back: came back after it was deleted"),
            (ann, 1767603811, "Other: 6 fields changed"),
            (ann, 1767603870, "Back: edited, but in no field that the list shows"),
        )
    ]


async def test_the_history_is_that_of_the_tables(lab: Lab, program: Program) -> None:
    await some_history(lab)
    await program.run("export", "--git", "out")
    folder = program.cwd / "out"
    git(folder, "fsck", "--strict")
    assert git(folder, "status", "--porcelain") == ""
    assert same(tree(folder, "HEAD"), await exported(program))
    files = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.yaml") if ".git" not in path.parts)
    assert files == ["default/1.yaml", "default/2.yaml", "default/3.yaml"]
    newest: dict[int, str] = {}  # of each second
    for commit, seconds in (line.split() for line in git(folder, "log", "--format=%H %at").splitlines()):
        newest.setdefault(int(seconds), commit)
    assert len(newest) == 6
    for second, commit in newest.items():
        at = datetime.fromtimestamp(second, UTC).replace(microsecond=999_999)
        assert same(tree(folder, commit), await exported(program, "--at", at.isoformat()))
    subjects = git(folder, "log", "--format=%s", "--", "default/1.yaml").splitlines()
    assert subjects == [
        "Back: edited, but in no field that the list shows",
        "Back: came back after it was deleted",
        "New�name: deleted",
        "New�name: active, name changed",
        "2 cadences: were there when watching began",
    ]
    followed = git(folder, "log", "--follow", "--format=%s", "--", "default/2.yaml").splitlines()
    assert followed == ["Other: 6 fields changed", subjects[-1]]


async def test_a_message_says_what_changed_and_where_the_tables_have_it(lab: Lab, program: Program) -> None:
    await some_history(lab)
    await program.run("export", "--git", "out")
    folder = program.cwd / "out"
    assert git(folder, "log", "-1", "--format=%B", "HEAD~5").splitlines() == [
        "New�name: active, name changed",
        "",
        "New�name (1), version 2: changed",
        "  active: true → false",
        "  name: Welcome → New�name",
        "",
        "Organization: default",
        "Run: 2",
    ]
    returned = git(folder, "log", "-1", "--format=%B", "HEAD~2").splitlines()
    assert "  name: New�name → Back" in returned


async def test_what_came_and_what_went_at_one_time_are_two_commits(lab: Lab, program: Program) -> None:
    """In one, git would take the new file for the old one under another name."""
    await lab.sync(record("1"), record("3"), record("5"))
    await lab.sync(record("2"), record("4"), record("5"), permits=FREE)
    await program.run("export", "--git", "out")
    folder = program.cwd / "out"
    assert git(folder, "log", "--format=%s").splitlines() == [
        "2 cadences: deleted",
        "2 cadences: created",
        "3 cadences: were there when watching began",
    ]
    assert "rename" not in git(folder, "log", "--summary", "-M", "--format=")


async def test_a_stopped_export_leaves_nothing(lab: Lab, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    await lab.sync(record("1"))
    fake_git(program.cwd / "tools", "touch started; exec sleep 60")
    monkeypatch.setenv("PATH", f"{program.cwd / 'tools'}:/usr/bin:/bin")
    process = await program.start("export", "--git", "out")
    async with asyncio.timeout(cli.PATIENCE):
        while not (program.cwd / "started").exists():
            await asyncio.sleep(0.01)
    process.terminate()
    await process.communicate()
    assert process.returncode == 143
    assert not (program.cwd / "out").exists()


def fake_git(tools: Path, script: str) -> None:
    """Make a git that does this where it is to import."""
    real = shutil.which("git", path="/usr/bin:/bin:/usr/local/bin")
    tools.mkdir(exist_ok=True)
    (tools / "git").write_text(f'#!/bin/sh\ncase "$*" in *fast-import*) {script};; esac\nexec {real} "$@"\n')
    (tools / "git").chmod(0o755)


async def test_a_new_folder_is_for_its_owner_alone(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    assert (await program.run("export", "--git", "new/history")).code == 0
    assert (program.cwd / "new/history").stat().st_mode & 0o777 == 0o700


async def test_two_exports_of_one_history_are_the_same(lab: Lab, program: Program) -> None:
    await some_history(lab)
    heads = []
    for name, settings in (("a", {}), ("b", {"DATA_DIR": "x"})):
        await program.run("export", "--git", name, **settings)
        heads.append(git(program.cwd / name, "rev-parse", "HEAD"))
    assert heads[0] == heads[1]


async def test_a_later_export_adds_what_is_new(lab: Lab, program: Program) -> None:
    await some_history(lab)
    await program.run("export", "--git", "out")
    folder = program.cwd / "out"
    before = git(folder, "rev-parse", "HEAD")
    assert (await program.run("export", "--git", "out")).code == 0
    assert git(folder, "rev-parse", "HEAD") == before
    # A renamed view and a renamed colleague are no change, and a closed version stays what it was.
    labels = {"custom_view": {"name": "People", "id": "3652397000000087529"}}
    await lab.sync(record("1", name="Once more", **labels), record("2", **labels), record("3", **labels))
    result = await program.run("export", "--git", "out")
    assert (result.code, result.err) == (0, "")
    git(folder, "merge-base", "--is-ancestor", before, "HEAD")
    assert git(folder, "rev-list", "--count", f"{before}..HEAD") == "1"
    assert git(folder, "status", "--porcelain") == ""
    await program.run("export", "--git", "fresh")
    assert git(program.cwd / "fresh", "rev-parse", "HEAD") == git(folder, "rev-parse", "HEAD")


async def test_fields_that_became_known_are_no_change_and_not_lost(lab: Lab, program: Program) -> None:
    await lab.sync(without(record("1"), "summary"))
    first = record("1", description="Text")
    await lab.sync(first)
    await program.run("export", "--git", "out")
    folder = program.cwd / "out"
    assert git(folder, "log", "--format=%an %at %s").splitlines() == [
        "unknown 1767603720 Fields that became known",
        "unknown 1767603660 Welcome: was there when watching began",
    ]
    assert same(tree(folder, "HEAD"), await exported(program))
    assert tree(folder, "HEAD")["default", "1"]["description"] == "Text"
    assert "description" not in tree(folder, "HEAD^")["default", "1"]
    head = git(folder, "rev-parse", "HEAD")
    assert git(folder, "log", "-1", "--format=%b").splitlines()[-2:] == ["Organization: default", "Run: 2"]
    # They stay where they are when a change follows: whoever made that did not make them.
    await lab.sync(edited(lab, "1", name="New", description="Text anew"))
    assert (await program.run("export", "--git", "out")).code == 0
    assert git(folder, "log", "--format=%an %s").splitlines() == [
        "Ann ann@example.com O'Neill New: description, name changed",
        "unknown Fields that became known",
        "unknown Welcome: was there when watching began",
    ]
    assert git(folder, "rev-parse", "HEAD^") == head
    assert "(unknown" in git(folder, "blame", "-L", "/^email_follow/,+1", "default/1.yaml")
    assert "(Ann" in git(folder, "blame", "-L", "/^description/,+1", "default/1.yaml")
    assert same(tree(folder, "HEAD"), await exported(program))


async def test_one_organization_or_all(lab: Lab, program: Program) -> None:
    names = ("a/../b", ".git", "git~1", "Zürich GmbH")
    for name in names:
        await lab.sync(record("1", name=name), org=Org(name, "us"))
    assert (await program.run("export", "--git", "all")).code == 0
    folder = program.cwd / "all"
    git(folder, "fsck", "--strict")
    assert same(tree(folder, "HEAD"), await exported(program))
    assert sorted(path.name for path in folder.iterdir() if path.name != ".git") == [
        "%2Egit",
        "Z%C3%BCrich%20GmbH",
        "a%2F..%2Fb",
        "git%7E1",
    ]
    assert (await program.run("export", "--git", "one", "--org", ".git")).code == 0
    assert list(tree(program.cwd / "one", "HEAD")) == [(".git", "1")]
    result = await program.run("export", "--git", "one")
    assert (result.code, "is an export of '.git'" in result.err) == (2, True)
    result = await program.run("export", "--git", "all", "--org", ".git")
    assert (result.code, "is an export of all organizations" in result.err) == (2, True)


async def test_nobody_s_work_is_touched(lab: Lab, program: Program) -> None:
    await lab.sync(record("1"))
    folder = program.cwd / "mine"
    folder.mkdir()
    (folder / "notes").write_text("mine")
    for words in ("not empty and no export", "not empty and no export"):
        result = await program.run("export", "--git", "mine")
        assert (result.code, words in result.err) == (2, True), result.err
        assert [path.name for path in folder.iterdir() if path.name != ".git"] == ["notes"]
        git(folder, "init", "--quiet")
    result = await program.run("export", "--git", "mine/notes")
    assert (result.code, "not empty and no export" in result.err) == (2, True)
    assert (await program.run("export", "--git", "out")).code == 0
    folder = program.cwd / "out"
    (folder / "default/1.yaml").write_text("mine")
    result = await program.run("export", "--git", "out")
    assert (result.code, "changes that are not committed" in result.err) == (2, True)
    assert (folder / "default/1.yaml").read_text() == "mine"
    git(folder, "-c", "user.name=me", "-c", "user.email=me@example.com", "commit", "-qam", "Mine")
    mine = git(folder, "rev-parse", "HEAD")
    result = await program.run("export", "--git", "out")
    assert (result.code, "not the beginning of this history" in result.err) == (2, True)
    assert git(folder, "rev-parse", "HEAD") == mine


async def test_without_git_and_without_cadences(lab: Lab, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    result = await program.run("export", "--git", "empty")
    assert (result.code, "No cadence is stored yet" in result.err) == (0, True)
    await lab.sync(record("1"))
    assert (await program.run("export", "--git", "empty")).code == 0
    assert len(tree(program.cwd / "empty", "HEAD")) == 1
    monkeypatch.setenv("PATH", str(program.cwd))
    result = await program.run("export", "--git", "out")
    assert (result.code, "git is not installed" in result.err) == (2, True)


async def test_a_git_that_fails_leaves_nothing(lab: Lab, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    await lab.sync(record("1"))
    tools = program.cwd / "tools"
    for at, script in enumerate(("echo fatal: no room >&2; exit 128", "exit 128")):
        fake_git(tools, script)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{tools}:/usr/bin:/bin")
            result = await program.run("export", "--git", "out")
        assert result.code == 2
        assert ("`git fast-import` failed: no room", "`git fast-import` failed: exit code 128")[at] in result.err
        assert [path.name for path in program.cwd.iterdir()] == ["tools"]


async def test_the_repository_of_a_hook_is_not_written(
    lab: Lab, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.sync(record("1"))
    hook = program.cwd / "hook"
    hook.mkdir()
    git(hook, "init", "--quiet")
    monkeypatch.setattr("tests.support.cli.environment", _with_git())
    assert (await program.run("export", "--git", "out")).code == 0
    assert (program.cwd / "out/default/1.yaml").is_file()


def _with_git() -> Any:
    plain = cli.environment
    return lambda **settings: plain(**settings) | {"GIT_DIR": "hook/.git"}


@pytest.mark.parametrize(
    ("person_id", "name", "author"),
    [
        (None, None, "unknown <unknown@users.zoho.invalid>"),
        ("7", None, "7 <7@users.zoho.invalid>"),
        (None, "Ann", "Ann <unknown@users.zoho.invalid>"),
        ("7", "<\n>", "7 <7@users.zoho.invalid>"),
        ("7>\n<", "A\x00nn <x>", "A nn x <7%3E%0A%3C@users.zoho.invalid>"),
        ("7", "Île\u2028日本", "Île 日本 <7@users.zoho.invalid>"),
    ],
)
def test_an_author_cannot_break_a_commit(person_id: str | None, name: str | None, author: str) -> None:
    assert render_author(person_id, name) == author


def test_a_path_holds_any_id() -> None:
    long, longer = ({"org_id": "x", "cadence_id": "Ü" * number} for number in (250, 251))
    assert path_of(long) != path_of(longer)
    assert len(path_of(long).partition("/")[2].encode()) <= 255
    assert path_of({"org_id": "..", "cadence_id": 'a"\n b'}) == "%2E./a%22%0A%20b.yaml"
    assert path_of({"org_id": "", "cadence_id": "%"}) == "%/%25.yaml"
