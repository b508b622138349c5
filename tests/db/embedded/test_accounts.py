"""Root starts a server without opening a folder to others, adding a user, or leaving it a right of root."""

import os
import pwd
import shutil
import stat
import sys
from pathlib import Path

import pytest

from cadence_sync.db import embedded
from cadence_sync.db.embedded import account, folders
from cadence_sync.db.embedded.account import Account, account_for
from cadence_sync.db.embedded.binaries import find_binaries
from cadence_sync.errors import DatabaseError
from tests.db.embedded.conftest import IS_ROOT, ask, server_of


def modes(*paths: Path) -> dict[Path, tuple[int, int]]:
    """Return mode and owner of paths and of every folder above them."""
    above = {folder for path in paths for folder in (path, *path.resolve().parents)}
    return {folder: (folder.stat().st_mode, folder.stat().st_uid) for folder in above}


def users() -> list[str]:
    return [entry.pw_name for entry in pwd.getpwall()]


def test_no_folder_is_opened_and_no_user_is_added(data_dir: Path, way: str) -> None:
    private = data_dir / "home of mode 0700" / "data"
    private.mkdir(parents=True)
    private.parent.chmod(0o700)
    before, known = modes(private, Path(sys.prefix), find_binaries().folder), users()
    with embedded.running(private, durable=False) as url:
        assert ask(url, "SELECT 1") == "1"
        assert modes(*before) == before, way
    assert modes(*before) == before
    assert users() == known


def test_the_server_has_no_right_of_root(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False):
        process = server_of(data_dir)
        own = Path(f"/proc/{process.pid}")
        lines = (own / "status").read_text().splitlines()
        status = {name: value for name, _, value in (line.partition(":\t") for line in lines)}
        if IS_ROOT:
            assert status["Groups"].strip() == ""
            assert "0" not in status["Gid"].split()
            assert process.uids().effective == (0 if way == "namespace" else account.FIRST_NUMBER)
        in_namespace = (own / "uid_map").read_text() != Path("/proc/self/uid_map").read_text()
        assert in_namespace == (way == "namespace")
        assert int(status["CapEff"], 16) == 0


def test_data_are_private_to_the_servers_account(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False):
        found = (data_dir / "postgres").resolve().stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == {"own": os.geteuid(), "namespace": 0, "number": account.FIRST_NUMBER}[way]


def test_doctor_can_say_what_was_done(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False) as url:
        said = embedded.describe(data_dir)
        assert ask(url, "SHOW data_directory") in said
    expected = {
        "own": f"this user ({os.geteuid()})",
        "namespace": "user namespace",
        "number": str(account.FIRST_NUMBER),
    }
    assert expected[way] in said


@pytest.fixture
def closed_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs in an environment that only root may read; in memory, where data are, none may run on some machines."""
    found = find_binaries()
    assert found.root is not None
    private = tmp_path / "environment"
    for part in found.parts:
        shutil.copytree(part, private / part.relative_to(found.root), symlinks=True)
    private.chmod(0o700)
    monkeypatch.setattr("cadence_sync.db.embedded.server.find_binaries", lambda: found.below(private))
    return private


def test_programs_that_the_account_cannot_read_are_copied_once(data_dir: Path, way: str, closed_programs: Path) -> None:
    before = set(folders.STATE.glob("programs-*"))
    with embedded.running(data_dir / "data", durable=False) as url:
        assert ask(url, "SELECT 1") == "1"
    assert stat.S_IMODE(closed_programs.stat().st_mode) == 0o700
    if way == "number":
        copies = set(folders.STATE.glob("programs-*"))
        with embedded.running(data_dir / "data", durable=False):
            assert set(folders.STATE.glob("programs-*")) == copies
        assert len(copies - before) == 1
        assert list(folders.STATE.glob(".programs-*")) == []


def test_data_of_another_user_stay_theirs(data_dir: Path, way: str) -> None:
    if way == "number":
        data = data_dir / "postgres"
        data_dir.chmod(0o755)
        data.mkdir(mode=0o700)
        os.chown(data_dir, 12345, 12345)
        os.chown(data, 12345, 12345)
    with embedded.running(data_dir, durable=False):
        owner = server_of(data_dir).uids().effective
    if way == "number":
        assert owner == 12345
        assert {path.stat().st_uid for path in data_dir.rglob("*")} == {12345}


def test_an_account_without_a_name_makes_its_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`initdb` itself refuses such an account, as that of a container with an arbitrary user."""
    if IS_ROOT:
        monkeypatch.setattr(account, "_namespace", lambda: Account(0, "nothing", ("/bin/false",)))
    chosen = account_for(data_dir / "postgres")
    nameless = Account(chosen.uid, chosen.text, chosen.prefix, has_name=False)
    monkeypatch.setattr("cadence_sync.db.embedded.server.account_for", lambda _data: nameless)
    with embedded.running(data_dir, durable=False) as url:
        assert ask(url, "SELECT current_user") == "postgres"


def test_where_nothing_works_it_says_what_to_do(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    refusing = Account(0, "nothing", ("/bin/false",))
    monkeypatch.setattr(account, "_namespace", lambda: refusing)
    monkeypatch.setattr(account, "_user", lambda _uid: refusing)
    with pytest.raises(DatabaseError) as caught:
        account_for(data_dir / "postgres")
    assert (caught.value.code, caught.value.exit_code) == ("EMBEDDED_FAILED", 5)
    assert "another user" in caught.value.hint


def test_data_of_root_that_its_server_may_not_enter_are_left_alone(data_dir: Path, way: str) -> None:
    if way != "number":
        return
    data = data_dir / "postgres"
    data.mkdir(mode=0o700)
    (data / "PG_VERSION").write_text("18\n")
    with pytest.raises(DatabaseError) as caught, embedded.running(data_dir):
        pass
    assert caught.value.code == "EMBEDDED_FAILED"
    assert str(folders.STATE) in caught.value.hint
    assert data.stat().st_uid == 0
