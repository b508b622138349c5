import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from cadence_sync.db import embedded
from cadence_sync.db.embedded import account, folders
from cadence_sync.db.embedded.account import Account
from tests.support.memory import memory_folder, remove_linked_data

HOLD = """
import sys
from pathlib import Path
from cadence_sync.db import embedded
with embedded.running(Path(sys.argv[1]), durable=False):
    print("up", flush=True)
    sys.stdin.read()
"""
IS_ROOT = os.geteuid() == 0
HAS_NAMESPACES = IS_ROOT and account._works(account._namespace())
WAYS = [*(["namespace"] if HAS_NAMESPACES else []), "number"] if IS_ROOT else ["own"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "embedded" in item.path.parts:
            item.add_marker(pytest.mark.process)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="data folder of a test ", dir=memory_folder()) as folder:
        yield Path(folder)
        remove_linked_data(Path(folder))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that this user's server has made, and that no server uses."""
    folder = tmp_path_factory.mktemp("made")
    with embedded.running(folder, durable=False):
        pass
    return folder / "postgres"


@pytest.fixture
def used_dir(data_dir: Path, made: Path) -> Path:
    """A data folder that was used before: where making the data is not what is tested."""
    data = shutil.copytree(made, data_dir / "postgres")
    owner = made.stat().st_uid
    if owner != data.stat().st_uid:  # root's server runs as another user here, who must reach it
        for path in (data_dir, data, *data.rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)
    return data_dir


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """Root's folder of data and programs, which are copied into it once for all tests."""
    with tempfile.TemporaryDirectory(prefix="cadence-sync-state-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "state"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, state: Path) -> str:
    """Each account that this user can start a server with; `number` is root's where namespaces are not allowed."""
    way: str = request.param
    if way == "number":
        monkeypatch.setattr(account, "_namespace", lambda: Account(0, "nothing", ("/bin/false",)))
        monkeypatch.setattr(folders, "STATE", state)
    return way


def ask(url: str, query: str) -> str:
    async def run() -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval(query))
        finally:
            await connection.close()

    return asyncio.run(run())


def write_pid_file(data_dir: Path, text: str) -> None:
    """Write the file as the server's account would, which reads it at the next start."""
    file = data_dir / "postgres" / "postmaster.pid"
    file.write_text(text)
    file.chmod(0o600)
    owner = file.parent.stat()
    os.chown(file, owner.st_uid, owner.st_gid)


def server_of(data_dir: Path) -> psutil.Process:
    pid = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    return psutil.Process(int(pid))


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended; one that is not reaped stays as a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def has_ended(process: psutil.Process) -> bool:
    """Wait for the end of a process that was stopped: a server removes its pid file shortly before."""
    pause = threading.Event()
    for _ in range(1000):
        if not runs(process):
            return True
        pause.wait(0.01)
    return False


def holder(data_dir: Path, *, wait: bool = True) -> subprocess.Popen[str]:
    """Start another process that uses the server until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if wait:
        is_up(process)
    return process


def is_up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "up\n", process.stderr.read()
