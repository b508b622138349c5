"""The installed command as a user runs it: a process of its own, with an environment of its own."""

import asyncio
import json
import os
import pty
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cadence_sync.simulator.tokens import credentials
from tests.support.fork_server import ForkServer

COMMAND = Path(sys.executable).with_name("cadence-sync")
PATIENCE = 60
"""Seconds after which a command that does not end is a failure."""
INTERRUPT = "\x03"


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**settings: str | None) -> dict[str, str]:
    """Return a clean environment with these settings; None leaves one out."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return kept | {f"CADENCE_SYNC_{name}": value for name, value in settings.items() if value is not None}


def zoho_settings(url: str, **changes: str | None) -> dict[str, str | None]:
    """Return the settings of the simulator's first organization."""
    known = credentials(0)
    return {
        "ZOHO_API_URL": url,
        "ZOHO_ACCOUNTS_URL": url,
        "ZOHO_CLIENT_ID": known.client_id,
        "ZOHO_CLIENT_SECRET": known.client_secret,
        "ZOHO_REFRESH_TOKEN": known.refresh_token,
    } | changes


async def start(
    *arguments: str, cwd: Path, typed: str | None = None, **settings: str | None
) -> asyncio.subprocess.Process:
    """Start the command and return its process; where something is `typed`, its standard input is a pipe."""
    return await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        cwd=cwd,
        env=environment(**settings),
        stdin=asyncio.subprocess.PIPE if typed else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str, cwd: Path, typed: str | None = None, **settings: str | None) -> Result:
    """Run the command to its end; what is typed arrives on its standard input."""
    around = environment(**settings)
    if not any(name.startswith("PYTHON") for name in around):  # what an interpreter reads when it starts
        return Result(*await fork_server().run([str(COMMAND), *arguments], cwd, around, typed, PATIENCE))
    process = await start(*arguments, cwd=cwd, typed=typed, **settings)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate(typed.encode() if typed else None)
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), err.decode())


@cache
def fork_server() -> ForkServer:
    """The server of this process, which starts with its first command."""
    return ForkServer()


async def on_a_terminal(*arguments: str, cwd: Path, **settings: str | None) -> list[str]:
    """Run the command to its end and return the lines that a terminal gets, stderr included."""
    ours, theirs = pty.openpty()
    command = [str(COMMAND), *arguments]
    with Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), theirs, theirs)
        async with fork_server().fork(command, cwd, environment(**settings), streams) as fork:
            os.close(theirs)
            lines = await asyncio.to_thread(_all_lines, ours)
            await fork.code()
    return lines


def _all_lines(terminal: int) -> list[str]:
    received = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while part := os.read(terminal, 10_000):
            received += part
    os.close(terminal)
    return received.decode().split("\r\n")


async def conversation(
    *arguments: str, answers: Sequence[tuple[str, str]], cwd: Path, columns: str | None = None, **settings: str | None
) -> tuple[int | None, str]:
    """Run the command on a terminal, answer each question once it is asked, and return code and all that is shown.

    The answer `INTERRUPT` is Ctrl-C.
    """
    ours, theirs = pty.openpty()
    around = environment(**settings) | {"TERM": "xterm", "COLUMNS": columns or "200"}
    async with fork_server().fork([str(COMMAND), *arguments], cwd, around, (theirs, theirs, theirs)) as fork:
        os.close(theirs)
        shown = await asyncio.to_thread(_talk, ours, list(answers), fork.pid)
        try:
            async with asyncio.timeout(PATIENCE):
                return await fork.code(), shown
        except TimeoutError:
            os.kill(fork.pid, signal.SIGKILL)
            raise


def _talk(terminal: int, answers: list[tuple[str, str]], pid: int) -> str:
    """Answer a question once its prompt is complete: what is typed before a prompt hides its answer is thrown away."""
    shown, interrupted = "", False
    with suppress(OSError):  # how Linux says that the other side is closed
        while True:
            if not select.select([terminal], [], [], 5 if interrupted else PATIENCE)[0]:
                if not interrupted:
                    break
                # Python's `input` does not notice a signal between its prompt and its wait: one presses Ctrl-C again.
                os.kill(pid, signal.SIGINT)
                continue
            if not (part := os.read(terminal, 10_000)):
                break
            shown += part.decode(errors="replace")
            prompt = shown.rpartition("\n")[2]
            if answers and answers[0][0] in prompt and prompt.endswith(": "):
                answer = answers.pop(0)[1]
                if answer == INTERRUPT:
                    interrupted = True
                    os.kill(pid, signal.SIGINT)
                else:
                    os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return shown
