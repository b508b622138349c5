"""Who runs a run: enough to tell later, on the same machine, whether that process still lives."""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil


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
    """Whether a process surely lives no more; of another machine only the end of its lease is proof."""
    if process.host != _host():
        return expired
    return _started(process.pid) != process.started


def _started(pid: int) -> str | None:
    """Process numbers are used again; with the time of its start one is unique until the next boot."""
    try:
        process = psutil.Process(pid)
        # A zombie has ended; only its parent has not asked yet.
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
