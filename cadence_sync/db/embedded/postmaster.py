"""Reads `postmaster.pid`, and checks that its process is the server of that data folder.

A power cut leaves the file behind, and its process number may since belong to another program.
"""

import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

PORT: Final = 5432
"""Part of the socket's name only: the server listens on no port."""
TOLERANCE: Final = 60.0
"""Seconds between the creation of a process and the start that it writes down, on a machine under load."""
NO_PROCESS: Final = 2**30
"""A process number that no system gives out."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    pid: int
    data: Path
    started: float
    """Seconds since 1970."""
    sockets: Path
    """The folder of its socket."""

    def is_running(self) -> bool:
        """Whether the process is this server: a Postgres that listens on the server's private socket."""
        return self._may_be_postgres() and _listener(self.sockets) == self.pid

    def is_lookalike(self) -> bool:
        """Whether the process could be this server by program, folder and start, although it does not answer."""
        with suppress(psutil.NoSuchProcess):
            return self._may_be_postgres() and abs(psutil.Process(self.pid).create_time() - self.started) <= TOLERANCE
        return False

    def _may_be_postgres(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE or self.pid not in psutil.pids():  # or the number of a thread
                return False
            if process.name() != "postgres":
                return False
        except psutil.Error:
            return False
        try:
            return Path(process.exe()).name == "postgres" and Path(process.cwd()).samefile(self.data)
        except psutil.AccessDenied:  # the system keeps processes of another user to itself
            return True
        except (psutil.Error, OSError):
            return False


def read_postmaster(data: Path) -> Postmaster | None:
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, _, started, _, sockets = lines[:5]  # fewer where a server was killed while it started
        return Postmaster(int(pid), data, float(started), Path(sockets)) if sockets else None
    except (FileNotFoundError, ValueError):
        return None


def running_postmaster(data: Path) -> Postmaster | None:
    found = read_postmaster(data)
    return found if found is not None and found.is_running() else None


def disown(data: Path) -> None:
    """Makes a stale pid file name no process, so that another program's number does not refuse the next start.

    Its other lines stay: by them Postgres notices a server that still has this folder's shared memory.
    """
    file = data / "postmaster.pid"
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return
    if not lines:
        file.unlink()
        return
    with file.open("r+", encoding="utf-8") as written:  # in place: the file keeps its owner
        written.write("".join([f"{NO_PROCESS}\n", *lines[1:]]))
        written.truncate()


def _listener(sockets: Path) -> int | None:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)  # seconds: the server may be busy
        client.connect(str(sockets / f".s.PGSQL.{PORT}"))
        if sys.platform == "darwin":
            return int(client.getsockopt(0, 2))  # SOL_LOCAL, LOCAL_PEERPID
        return int(struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    return None
