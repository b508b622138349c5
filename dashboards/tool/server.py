"""A Superset of this machine's own: its files in one folder, listening on loopback only."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from cadence_sync.wiring import SystemClock

ROOT: Final = Path(__file__).parents[2]
BIN: Final = ROOT / ".bi" / "superset" / "bin"
"""The virtual environment that `make bi` sets up."""

START: Final = 180
"""Seconds that Superset may take until it answers."""

_THREADS: Final = 8


@dataclass(frozen=True)
class Superset:
    """Where it is, and how its user `admin` gets in."""

    url: str
    password: str
    log: Path


class StartError(Exception):
    """Superset does not start."""


@asynccontextmanager
async def running(home: Path, port: int | None = None) -> AsyncIterator[Superset]:
    """Yield a Superset that keeps its files in `home`; it ends with the block. Its password is a new one."""
    if port is not None and not _is_free(port):
        raise StartError(f"Port {port} is taken; set BI_PORT to another one.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = secrets.token_urlsafe(16)
    log = home / "superset.log"
    environment = _environment(home)
    with log.open("ab") as output:
        prepared = await asyncio.create_subprocess_exec(
            BIN / "python",
            Path(__file__).with_name("prepare.py"),
            cwd=home,
            env={**environment, "BI_ADMIN_PASSWORD": password},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        if await prepared.wait():
            raise StartError(f"Superset cannot make its own database ready; {log} says why.")
        url = f"http://127.0.0.1:{port or free_port()}"
        server = await asyncio.create_subprocess_exec(
            *(BIN / "python", "-m", "gunicorn", "--bind", url.removeprefix("http://"), "--workers", "1"),
            *("--worker-class", "gthread", "--threads", str(_THREADS), "--timeout", "120"),
            *("--forwarded-allow-ips", "127.0.0.1", "superset.app:create_app()"),
            cwd=home,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            await _answers(url, server, log)
            yield Superset(url, password, log)
        finally:
            await stop(server)


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a process that was started here, by force if it does not listen."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(20):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    """Return a port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _environment(home: Path) -> Mapping[str, str]:
    """Return what Superset gets to see: not the caller's settings, and none of the caller's secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "TZ") if name in os.environ}
    return kept | {"HOME": str(home), "SUPERSET_HOME": str(home), "SUPERSET_SECRET_KEY": _secret_key(home)}


def _secret_key(home: Path) -> str:
    """Return the key of this installation, made at the first start: with another one Superset reads no password."""
    file = home / "secret_key"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as new:
            new.write(secrets.token_urlsafe(42))
    return file.read_text(encoding="ascii")


async def _answers(url: str, server: asyncio.subprocess.Process, log: Path) -> None:
    clock = SystemClock()
    until = clock.monotonic() + START
    async with aiohttp.ClientSession() as session:
        while clock.monotonic() < until:
            if server.returncode is not None:
                raise StartError(f"Superset ended with code {server.returncode} as soon as it began; {log} says why.")
            try:
                async with session.get(f"{url}/health", timeout=aiohttp.ClientTimeout(5)) as answer:
                    if answer.status == HTTPStatus.OK:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.5)
    raise StartError(f"Superset does not answer within {START} seconds; its log is {log}.")
