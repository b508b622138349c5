"""A shell in a pseudo-terminal: runs commands one by one and captures their output."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COLUMNS: Final = 160
PATIENCE: Final = 240
"""Seconds until a running command counts as hung; an installation takes a while."""
_KEEP: Final = 'trap \'{ export -p; printf "cd %q\\n" "$PWD"; } >"$DOCS_STATE"\' EXIT\n. "$DOCS_STATE"\n'
"""Exported variables and the working directory carry over to the next command."""


@dataclass
class Terminal:
    """Commands of one shell; `state` is a file that holds its variables between them."""

    state: Path
    variables: Mapping[str, str]

    def __post_init__(self) -> None:
        self.state.write_text(f"cd {self.state.parent}\n")

    def run(self, command: str) -> tuple[int, str]:
        """Runs a command to its end; returns its exit code and output."""
        with self._started(command) as (process, screen):
            shown = _read(screen, None)
            return process.wait(PATIENCE), shown

    @contextmanager
    def left_running(self, command: str, until: str) -> Iterator[str]:
        """Starts a command, yields its output once that contains `until`, and stops it at the end."""
        with self._started(command) as (process, screen):
            try:
                yield _read(screen, until)
            finally:
                _stop(process, screen)

    @contextmanager
    def _started(self, command: str) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["bash", "-c", f"{_KEEP}{command}"],
            env={
                "TERM": "dumb",
                "COLUMNS": str(COLUMNS),
                "LINES": "50",
                **self.variables,
                "DOCS_STATE": str(self.state),
            },
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield process, ours
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            os.close(ours)


def _stop(process: "subprocess.Popen[bytes]", screen: int) -> None:
    """Ends the process group; a shell that is just starting a program ignores the first signal."""
    latest = time.monotonic() + PATIENCE
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(OSError):
        while time.monotonic() < latest:
            if not select.select([screen], [], [], 1)[0]:
                os.killpg(process.pid, signal.SIGTERM)
            elif not os.read(screen, 10_000):
                break
    process.wait(PATIENCE)


def _read(screen: int, until: str | None) -> str:
    """Returns the output until the command ends or shows `until`; raises `TimeoutError` if it hangs."""
    shown, latest = b"", time.monotonic() + PATIENCE
    with suppress(OSError):  # how Linux says that the other side is closed
        while until is None or until not in shown.decode(errors="replace"):
            if not select.select([screen], [], [], latest - time.monotonic())[0]:
                raise TimeoutError(f"it hangs: {shown.decode(errors='replace')}")
            part = os.read(screen, 10_000)
            if not part:
                break
            shown += part
    return shown.decode(errors="replace").replace("\r\n", "\n")
