"""What a command runs in: its settings, its event loop, its user, and the name that it was called by."""

import asyncio
import gc
import getpass
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import show_warning
from cadence_sync.config.settings import Settings, load_settings
from cadence_sync.core.labels import one_line
from cadence_sync.logs import configure_logs, log
from cadence_sync.ports import Actor

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")
_NAME: Final = "cadence-sync"


def read_settings(context: typer.Context, *, daemon: bool = False) -> Settings:
    """Reads the settings and configures logs by them; a daemon's failures cannot be repeated, so it logs tracebacks."""
    settings = load_settings(context.obj.config)
    configure_logs(settings.log_level, tracebacks=daemon or context.obj.debug)
    if daemon or settings.log_level == "DEBUG":  # else no command would start without loading the logs
        log.info("settings_read", file=None if settings.file is None else str(settings.file))
    for file in settings.exposed_files:
        show_warning(f"Other users of this machine may read the secrets in {file}.", f"Close it with: chmod 600 {file}")
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end.

    SIGTERM ends it as Ctrl-C does, by canceling it, once; after its cleanup the exit code is 128 + the signal's number.
    """
    received: list[int] = []
    gc.freeze()  # all that was imported until now
    gc.enable()

    async def guarded() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            if task is not None and not received:
                task.cancel()
            received.append(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # on Windows, where Ctrl-C still raises KeyboardInterrupt
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if received[:1] == [signal.SIGINT] and sys.stderr is not None and sys.stderr.isatty():
            print(file=sys.stderr)  # after the ^C that the terminal shows
        sys.exit(128 + (received[0] if received else signal.SIGTERM))


def with_database(settings: Settings, work: "Callable[[AsyncEngine], Awaitable[T]]", *, direct: bool = False) -> T:
    async def connected() -> T:
        async with wiring.database(settings, direct=direct) as engine:
            return await work(engine)

    return run(connected())


def program_name() -> str:
    """Returns how this program is called again: by name where PATH finds it, else by path, relative if below here."""
    started = Path(sys.argv[0]).absolute()
    found = shutil.which(_NAME)
    if started.name != _NAME or (found is not None and Path(found).resolve() == started.resolve()):
        return _NAME
    here = Path.cwd()
    return shlex.quote(str(started.relative_to(here) if started.is_relative_to(here) else started))


def current_actor() -> Actor:
    """Returns the operating system's user as the audit log names them.

    The name is that of the process's uid. Variables may claim another one: who is behind `sudo`, or anything at all;
    so that one is added, as in `root (as ana)`.
    """
    claimed = next((os.environ[name] for name in ("SUDO_USER", "LOGNAME", "USER") if os.environ.get(name)), None)
    try:
        import pwd  # noqa: PLC0415 - Windows has none
    except ImportError:
        return Actor(getpass.getuser())
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user may have none
        name = f"uid {uid}"
    return Actor(name if claimed in {None, name} else f"{name} (as {one_line(claimed)})")
