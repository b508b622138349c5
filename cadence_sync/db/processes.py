"""Who runs a run: enough to tell later, on the same machine, whether that process still lives."""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_START_TICKS = 19
"""Place of the start time behind the name in /proc/<pid>/stat; see proc(5)."""
_ZOMBIE = "Z"
"""A process that has ended; only its parent has not asked yet."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process: `host` also names the boot and the process namespace, for containers share names and numbers."""

    host: str
    pid: int
    started: str


@cache
def current() -> Process:
    """Return this process."""
    return Process(_host(), os.getpid(), _started(os.getpid()) or "")


def is_gone(process: Process, *, expired: bool) -> bool:
    """Whether a run's process surely lives no more, or its run is surely over: past its lease it cannot write."""
    return expired or (process.host == _host() and _started(process.pid) != process.started)


def _started(pid: int) -> str | None:
    """Process numbers are used again; with the time of its start one is unique until the next boot."""
    return _started_by_proc(pid) if _PROC.joinpath("self").exists() else _started_by_psutil(pid)


def _started_by_proc(pid: int) -> str | None:
    """Return clock ticks since the boot: a time of day would move when the clock is set."""
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == _ZOMBIE else fields[_START_TICKS]


def _started_by_psutil(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - Linux has no need of it

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


@cache
def _host() -> str:
    parts = [socket.gethostname()]
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    if boot.exists():
        parts.append(boot.read_text(encoding="ascii").strip())
    if namespace.is_symlink():
        parts.append(str(namespace.readlink()))
    return "/".join(parts)
