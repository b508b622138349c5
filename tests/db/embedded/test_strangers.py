"""A process that is not the server of the data folder is never taken for it, and never gets a signal."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cadence_sync.db import embedded
from cadence_sync.db.embedded import postmaster
from cadence_sync.errors import DatabaseError
from tests.db.embedded.conftest import ask, has_ended, runs, server_of, write_pid_file
from tests.support import cli


@pytest.fixture
def stopped(used_dir: Path) -> Path:
    """A data folder whose server does not run, with the pid file of one that was cut off by a power failure."""
    file = used_dir / "postgres" / "postmaster.pid"
    with embedded.running(used_dir, durable=False) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        written = file.read_text()
    write_pid_file(used_dir, written)
    return used_dir


def name_in_file(data_dir: Path, pid: int) -> None:
    file = data_dir / "postgres" / "postmaster.pid"
    _, *rest = file.read_text().splitlines(keepends=True)
    file.write_text("".join([f"{pid}\n", *rest]))


def set_start(data_dir: Path, seconds: int) -> None:
    """Move the start that is written in the file."""
    file = data_dir / "postgres" / "postmaster.pid"
    lines = file.read_text().splitlines(keepends=True)
    lines[2] = f"{int(lines[2]) + seconds}\n"
    file.write_text("".join(lines))


@contextmanager
def stranger(data_dir: Path, kind: str) -> Iterator[psutil.Process]:
    """Start a program that has nothing to do with Postgres, or looks as if it had."""
    folder = (data_dir / "postgres").resolve()
    program, cwd, user = shutil.which("sleep") or "", Path("/"), None
    with tempfile.TemporaryDirectory() as programs:
        if kind == "named postgres":
            program, cwd = shutil.copy(program, f"{programs}/postgres"), folder
        if kind == "of the same user":
            user = folder.stat().st_uid
        process = subprocess.Popen([program, "600"], cwd=cwd, user=user)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("kind", ["sleep", "of the same user", "named postgres"])
def test_a_stranger_lives_on_and_the_server_starts(stopped: Path, kind: str) -> None:
    with stranger(stopped, kind) as process:
        name_in_file(stopped, process.pid)
        set_start(stopped, -86400)
        with embedded.running(stopped, durable=False) as url:
            assert server_of(stopped).pid != process.pid
            assert ask(url, "SELECT count(*) FROM kept") == "1"
        assert runs(process)


def test_what_could_be_the_server_and_does_not_answer_is_left_alone(stopped: Path) -> None:
    with stranger(stopped, "named postgres") as process:
        name_in_file(stopped, process.pid)
        written_down = postmaster.read_postmaster(stopped / "postgres")
        assert written_down is not None
        set_start(stopped, int(process.create_time() - written_down.started))
        written = (stopped / "postgres" / "postmaster.pid").read_text()
        with pytest.raises(DatabaseError) as caught, embedded.running(stopped, durable=False):
            pass
        assert caught.value.code == "EMBEDDED_FAILED"
        assert str(process.pid) in caught.value.message
        assert (stopped / "postgres" / "postmaster.pid").read_text() == written
        assert runs(process)


async def test_a_stranger_lives_on_and_status_works(data_dir: Path, tmp_path: Path) -> None:
    assert (await cli.run("migrate", cwd=tmp_path, DATA_DIR=str(data_dir))).code == 0
    with embedded.running(data_dir, durable=False):
        written = (data_dir / "postgres" / "postmaster.pid").read_text()
    with stranger(data_dir, "sleep") as process:
        write_pid_file(data_dir, written)
        name_in_file(data_dir, process.pid)
        result = await cli.run("status", cwd=tmp_path, DATA_DIR=str(data_dir))
        assert (result.code, runs(process)) == (0, True), result.err


def test_the_number_of_a_thread_is_no_server(stopped: Path) -> None:
    numbers: list[int] = []
    go, end = threading.Event(), threading.Event()

    def wait() -> None:
        numbers.append(threading.get_native_id())
        go.set()
        end.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    go.wait()
    name_in_file(stopped, numbers[0])
    with embedded.running(stopped, durable=False) as url:
        assert ask(url, "SELECT count(*) FROM kept") == "1"
    end.set()
    thread.join()


def test_a_zombie_is_no_server(stopped: Path) -> None:
    process = subprocess.Popen(["true"])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    name_in_file(stopped, process.pid)
    with embedded.running(stopped, durable=False) as url:
        assert ask(url, "SELECT count(*) FROM kept") == "1"
    process.wait()


def test_a_server_whose_number_was_taken_while_it_was_used_ends_nobody(used_dir: Path) -> None:
    with stranger(used_dir, "sleep") as process:
        with embedded.running(used_dir, durable=False):
            server = server_of(used_dir)
            server.kill()
            assert has_ended(server)
            name_in_file(used_dir, process.pid)
        assert runs(process)


def test_a_server_is_known_again_after_the_clock_was_set(data_dir: Path, way: str) -> None:
    with embedded.running(data_dir, durable=False) as url:
        process = server_of(data_dir)
        set_start(data_dir, -86400)
        with embedded.running(data_dir, durable=False) as again:
            assert (again, server_of(data_dir).pid) == (url, process.pid), way
    assert has_ended(process)


def test_a_server_is_known_where_the_system_hides_its_program(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(_process: psutil.Process) -> str:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "exe", hidden)
    with embedded.running(used_dir, durable=False) as url:
        process = server_of(used_dir)
        with embedded.running(used_dir, durable=False) as again:
            assert again == url
    assert has_ended(process)


def test_a_former_server_that_still_has_the_memory_is_noticed_by_postgres(used_dir: Path) -> None:
    """The number in a stale file is replaced, the rest is kept: that is how Postgres finds the memory."""
    with embedded.running(used_dir, durable=False):
        data = used_dir / "postgres"
        before = (data / "postmaster.pid").read_text().splitlines()
        copy = used_dir / "copy"
        copy.mkdir()
        (copy / "postmaster.pid").write_text("\n".join(before) + "\n")
        postmaster.disown(copy)
        after = (copy / "postmaster.pid").read_text().splitlines()
    assert after[1:] == before[1:]
    assert not psutil.pid_exists(int(after[0]))
