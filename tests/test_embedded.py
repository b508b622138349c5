"""The embedded server: a path with a space, several users, and what a killed process leaves behind."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest

from cadence_sync import embedded
from cadence_sync.errors import DatabaseError

HOLD = """
import sys, time
from pathlib import Path
from cadence_sync import embedded
with embedded.running(Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="data folder of a test ") as folder:
        yield Path(folder)


def version_at(url: str) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    return asyncio.run(ask())


def server_of(data_dir: Path) -> psutil.Process:
    pid = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    return psutil.Process(int(pid))


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended; where nobody reaps it, it stays as a zombie."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def holder(data_dir: Path) -> subprocess.Popen[str]:
    """Start another process that uses the server until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_it_starts_where_the_path_holds_a_space_and_stops_with_its_last_user(data_dir: Path) -> None:
    with embedded.running(data_dir) as url:
        assert version_at(url).startswith("18")
        server = server_of(data_dir)
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert folder.exists()
    assert not runs(server)
    assert not folder.exists()


def test_only_its_own_user_reaches_the_socket(data_dir: Path) -> None:
    with embedded.running(data_dir) as url:
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert " " not in str(folder)


def test_two_processes_share_it_and_the_last_one_stops_it(data_dir: Path) -> None:
    with holder(data_dir) as other:
        with embedded.running(data_dir) as url:
            server = server_of(data_dir)
            assert version_at(url)
        assert runs(server)
        other.communicate("")
    assert not runs(server)


def test_a_killed_user_does_not_keep_it_running_for_ever(data_dir: Path) -> None:
    with holder(data_dir) as other:
        server = server_of(data_dir)
        os.kill(other.pid, signal.SIGKILL)
    assert runs(server)
    with embedded.running(data_dir) as url:
        assert server_of(data_dir).pid == server.pid
        assert version_at(url)
    assert not runs(server)


def test_it_recovers_when_the_server_itself_was_killed(data_dir: Path) -> None:
    with holder(data_dir) as other:
        server = server_of(data_dir)
        server.kill()
        server.wait(10)
        other.communicate("")
    with embedded.running(data_dir) as url:
        assert version_at(url)


def test_a_folder_that_cannot_be_used_is_a_database_error_with_a_hint(data_dir: Path) -> None:
    (data_dir / "postgres").write_text("not a folder")
    with pytest.raises(DatabaseError) as caught, embedded.running(data_dir):
        pass
    assert caught.value.code == "EMBEDDED_FAILED"
    assert str(data_dir) in caught.value.hint
