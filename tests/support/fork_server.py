"""Runs the command in forks of one process that has imported it: importing takes longer than most commands.

A fork gets arguments, environment, folder and standard streams of its own, and runs the program from its entry point
to its exit. What a start from nothing takes part in is tested by processes that start from nothing: `cli.start`.
"""

import asyncio
import atexit
import importlib
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import cadence_sync

_STREAMS: Final = 3
_LARGEST: Final = 1 << 20
_LEFT_OUT: Final = ("cadence_sync.simulator", "cadence_sync.migrations")


class ForkServer:
    """One server for the process that uses it; any number of commands may run at once."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def close(self) -> None:
        """End the server; commands that still run are not waited for."""
        self._ours.close()
        self._process.wait()

    async def run(
        self, command: list[str], cwd: Path, environment: Mapping[str, str], typed: str | None, patience: float
    ) -> tuple[int, str, str]:
        """Run the command to its end; returns exit code, stdout and stderr."""
        async with AsyncExitStack() as stack:
            stdin = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack is one
            stdin.write((typed or "").encode())
            stdin.seek(0)
            (stdout, out), (stderr, err) = [await stack.enter_async_context(_pipe()) for _ in range(2)]
            fork = await stack.enter_async_context(self.fork(command, cwd, environment, (stdin.fileno(), out, err)))
            os.close(out)
            os.close(err)
            try:
                async with asyncio.timeout(patience):
                    shown, said, code = await stdout.read(), await stderr.read(), await fork.code()
            except TimeoutError:
                os.kill(fork.pid, signal.SIGKILL)
                raise
        return code, shown.decode(), said.decode()

    @asynccontextmanager
    async def fork(
        self, command: list[str], cwd: Path, environment: Mapping[str, str], streams: tuple[int, int, int]
    ) -> AsyncIterator["Fork"]:
        """Start the command in a session of its own, with these files as its stdin, stdout and stderr."""
        request = json.dumps({"command": command, "cwd": str(cwd), "environment": dict(environment)}).encode()
        async with _pipe() as (status, writing):
            with self._lock:
                socket.send_fds(self._ours, [request], [*streams, writing])
            os.close(writing)
            yield Fork(int(await status.readline()), status)


@dataclass(frozen=True)
class Fork:
    """A command that runs."""

    pid: int
    _status: asyncio.StreamReader

    async def code(self) -> int:
        """Wait for its end."""
        return int(await self._status.readline())


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """Yield what reads a pipe, and the number of its other end, which is the caller's to close."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    with os.fdopen(reading, "rb") as file:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        try:
            yield reader, writing
        finally:
            transport.close()


class _Server:
    """Forks for each request, and reports each fork's process number and exit code on the pipe of its request."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pipes: dict[int, int] = {}
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def serve(self) -> dict[str, Any] | None:
        """Return the request in each fork, and nothing in the server once it is not needed any more."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._woken in ready:
                    self._woken.recv(4096)
                    self._report()
                if self._control not in ready:
                    continue
                message, files, _, _ = socket.recv_fds(self._control, _LARGEST, _STREAMS + 1)
                if not message:
                    return None
                if self._fork(files):
                    request: dict[str, Any] = json.loads(message)
                    return request

    def _fork(self, files: list[int]) -> bool:
        """Whether this is the fork."""
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()  # without a terminal of the tests' own to fall back on
            for number, file in enumerate(files[:_STREAMS]):
                os.dup2(file, number)
            for end in (self._control, self._woken, self._wake):
                end.close()
            for file in (*files, *self._pipes.values()):
                os.close(file)
            return True
        for file in files[:_STREAMS]:
            os.close(file)
        self._pipes[pid] = files[_STREAMS]
        os.write(files[_STREAMS], f"{pid}\n".encode())
        return False

    def _report(self) -> None:
        while self._pipes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            pipe = self._pipes.pop(pid)
            with suppress(BrokenPipeError):  # nobody waits any more
                os.write(pipe, f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(pipe)


def _run(program: Callable[[], None]) -> NoReturn:
    """Run the program and end as an interpreter does, but for freeing what the server shares with its forks."""
    code: object = 0
    try:
        program()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    with suppress(AttributeError, ValueError):  # the program may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _import_all() -> None:
    for module in pkgutil.walk_packages(cadence_sync.__path__, "cadence_sync."):
        if not module.name.startswith(_LEFT_OUT):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _import_all()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        request = _Server(control).serve()
    if request is not None:
        from cadence_sync.cli.main import main

        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=os.isatty(1))  # as an interpreter that starts on a terminal
        sys.argv = request["command"]
        sys.modules["__main__"].__package__ = ""  # the installed script is no module of a package, and help says so
        _run(main)
