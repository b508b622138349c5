"""Servers of a test's own, from Debian's packages: Postgres, and pgbouncer in front of it.

Neither runs as root; where the tests do, the servers run as the user `postgres`.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.support.cli import PATIENCE

USER: Final = "postgres" if os.getuid() == 0 else None
POOLER_PORT: Final = 6432
_OPTIONS: Final = "-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"


@dataclass(frozen=True)
class Server:
    """A Postgres whose socket lies in `folder`."""

    folder: Path
    data: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def start(self) -> None:
        options = _OPTIONS.format(folder=self.folder)
        self.command("pg_ctl", "-w", "-D", self.data, "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.command("pg_ctl", "-w", "-D", self.data, "-m", mode, "stop")

    def restart(self) -> None:
        """Stop as a crash does, and start again."""
        self.stop()
        self.start()

    def runs(self) -> bool:
        status = _as_user([_bin() / "pg_ctl", "-D", self.data, "status"], self.folder, check=False)
        return status.returncode == 0

    def command(self, name: str, *arguments: str | Path) -> None:
        """Run one of Postgres's programs to its end."""
        _as_user([_bin() / name, *arguments], self.folder, check=True)

    async def execute(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def value(self, query: str, database: str = "postgres") -> Any:
        connection = await asyncpg.connect(self.url(database))
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


@contextmanager
def own_folder() -> Iterator[Path]:
    """Yield a folder that the servers' user may use; pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="cadence-sync-system-", dir="/tmp"))
    try:
        if USER is not None:
            shutil.chown(folder, USER)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres(folder: Path, data: Path | None = None, *, wal: Path | None = None) -> Iterator[Server]:
    """Run a server: its data in `data`, and its write-ahead log there too unless `wal` says otherwise."""
    server = Server(folder, data or folder / "data")
    elsewhere = () if wal is None else (f"--waldir={wal}",)
    arguments = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--wal-segsize=1", *elsewhere)
    server.command("initdb", *arguments, "-D", server.data)
    server.start()
    try:
        yield server
    finally:
        if server.runs():
            server.stop()


@asynccontextmanager
async def pooler(server: Server, size: int) -> AsyncIterator[str]:
    """Run a pgbouncer in transaction mode with so many connections to the server; yields its socket's folder."""
    with own_folder() as folder:
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={server.folder} user=postgres\n"
            f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = {POOLER_PORT}\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {size}\n"
        )
        command = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        assert command is not None, "install Debian's pgbouncer"
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                command, settings, cwd=folder, stdout=log, stderr=log, **_identity()
            )
        try:
            async with asyncio.timeout(PATIENCE):
                while not (folder / f".s.PGSQL.{POOLER_PORT}").is_socket():
                    assert process.returncode is None, (folder / "log").read_text()
                    await asyncio.sleep(0.01)
            yield str(folder)
        finally:
            process.terminate()
            await process.wait()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of so many megabytes; only root may."""
    disk = folder / "disk"
    disk.mkdir()
    options = f"size={megabytes}m,mode=0777"
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", "--lazy", disk], check=True)


def fill(disk: Path, spare: int) -> Path:
    """Fill a disk but for so many bytes, and return the file that takes the room."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - spare)
    return ballast


def _bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "install Debian's postgresql"
    return found[-1]


def _identity() -> dict[str, Any]:
    return {} if USER is None else {"user": USER, "group": USER, "extra_groups": []}


def _as_user(command: list[str | Path], folder: Path, *, check: bool) -> subprocess.CompletedProcess[bytes]:
    """Run to the end; with its output in a file, for a server that is started keeps a pipe open."""
    with (folder / "commands.log").open("ab") as log:
        return subprocess.run(
            command, check=check, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=PATIENCE,
            **_identity(),
        )  # fmt: skip
