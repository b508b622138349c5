"""The life of the embedded server: made on first use, shared between processes, stopped with the last one.

Each process that uses a server holds a shared lock on `postgres.users`; the kernel releases it when the process ends,
also after a kill. Starting and stopping happen under an exclusive lock on `postgres.lock`. A process that can lock
`postgres.users` exclusively is the last user, and stops the server.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cadence_sync.db.embedded.account import Account, EmbeddedError, account_for, give
from cadence_sync.db.embedded.binaries import Binaries, find_binaries
from cadence_sync.db.embedded.folders import (
    data_folder,
    forget_socket_folder,
    nameless,
    new_socket_folder,
    programs_for,
)
from cadence_sync.db.embedded.postmaster import PORT, Postmaster, disown, read_postmaster, running_postmaster
from cadence_sync.errors import DatabaseError, SettingsError, docs_hint

STOP_TIMEOUT: Final = 60
BUILTIN_LOCALE: Final = 17
"""The first major version with a locale that no update of the system changes."""
_SHELL: Final = re.compile(r'["$`\\]')
"""Characters that a shell reads even between double quotes, where `pg_ctl` writes the path of `postgres`."""
_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
_THROWAWAY: Final = ("-c fsync=off", "-c full_page_writes=off", "-c synchronous_commit=off")


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    data: Path
    account: Account
    binaries: Binaries
    durable: bool = True
    """Whether the data survive a power cut."""

    def start(self) -> Postmaster:
        running = running_postmaster(self.data)
        if running is not None:
            return running
        self._initialize()
        self._check_version()
        former = read_postmaster(self.data)
        if former is not None:
            if former.is_lookalike():
                raise self.failure(
                    f"process {former.pid} looks like its server, and does not answer",
                    hint=f"If that process is a server that hangs, end it: kill -INT {former.pid}",
                )
            forget_socket_folder(former.sockets)
        disown(self.data)
        sockets = new_socket_folder(self.account)
        options = [f'-h "" -k {sockets} -p {PORT}', *(() if self.durable else _THROWAWAY)]
        # Recovery after a crash is part of a start, and the machine may be busy.
        self._run("pg_ctl", "start", "-w", "-t", "900", "-l", "log", "-o", " ".join(options))
        started = running_postmaster(self.data)
        if started is None:
            raise self.failure("it ended at once")
        return started

    def stop(self) -> None:
        """Stops the server if it runs; never touches another process."""
        running = running_postmaster(self.data)
        if running is not None:
            self._run("pg_ctl", "stop", "-w", "-t", str(STOP_TIMEOUT), "-m", "fast")
            forget_socket_folder(running.sockets)

    def failure(self, reason: str, hint: str = "") -> EmbeddedError:
        hint = hint or f"Its log is {self._log()}."
        return EmbeddedError(f"The embedded Postgres in {self.data} does not start: {reason}.", hint=hint)

    def _initialize(self) -> None:
        """Makes the data in a new folder, then renames it: a killed setup leaves nothing incomplete.

        The folder has a random name, so that a program that outlives a killed setup cannot write into the next one.
        """
        if (self.data / "PG_VERSION").exists():
            return
        prefix = f"{self.data.name}.new-"
        for left in self.data.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=prefix, dir=self.data.parent))
        give(new, self.account)
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]
        if int(self.binaries.major) >= BUILTIN_LOCALE:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            options.append("--no-sync")
        with nameless(self.account, self.binaries) as binaries:
            self._run("initdb", f"--pgdata={new}", *options, binaries=binaries)
        new.rename(self.data)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != self.binaries.major:
            raise DatabaseError(
                f"The data in {self.data} are of Postgres {found}; the embedded server is Postgres "
                f"{self.binaries.version}.",
                hint=f"Dump them with Postgres {found} and restore them, or run pg_upgrade. "
                + docs_hint("Back up and restore"),
                code="EMBEDDED_VERSION",
            )

    def _run(self, program: str, *arguments: str, binaries: Binaries | None = None) -> None:
        folder = (binaries or self.binaries).folder
        command = [*self.account.prefix, str(folder / program), *arguments]
        # Without settings of libpq and our secrets.
        kept = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        log_size = self._log().stat().st_size if self._log().exists() else 0
        with tempfile.TemporaryFile("w+") as output:  # a server keeps a pipe open for as long as it lives
            result = subprocess.run(  # noqa: S603 - one of our own programs
                command,
                check=False,
                cwd=self.data,
                env=kept | {"LC_ALL": "C", "TZ": "UTC", "PGDATA": str(self.data)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            output.seek(0)
            printed = output.read()
        if result.returncode != 0:
            raise self.failure(self._reason(printed, log_size))

    def _log(self) -> Path:
        return self.data / "log"

    def _reason(self, printed: str, log_size: int) -> str:
        """Returns the server's own last error since its log had that size, else the program's last line."""
        lines = printed.splitlines()
        with suppress(OSError):
            lines += self._log().read_bytes()[log_size:].decode(errors="replace").splitlines()[-20:]
        for mark in ("FATAL:", "PANIC:", "error:"):
            for line in reversed(lines):
                if mark in line:
                    return line.partition(mark)[2].strip().rstrip(".")
        return next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "no reason was given")


@contextmanager
def running(data_dir: Path, *, durable: bool = True) -> Iterator[str]:
    """Yields the URL of the server whose data are in `data_dir`/postgres, starting it if it does not run.

    Raises `DatabaseError` if it does not start, and `SettingsError` if no Postgres is installed.
    """
    data_dir = _resolved(data_dir)
    lock = data_dir / "postgres.lock"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with _locked(lock):
            server = open_server(data_dir, durable=durable)
            postmaster = server.start()
            users = _open_lock(data_dir / "postgres.users")
            fcntl.flock(users, fcntl.LOCK_SH)
    except OSError as error:
        raise EmbeddedError(
            f"The embedded Postgres in {data_dir} does not start: {error.filename or data_dir}: {error.strerror}.",
            hint="CADENCE_SYNC_DATA_DIR names its folder, which this user must be able to write to.",
        ) from error
    except subprocess.CalledProcessError as error:
        raise EmbeddedError(
            f"The programs of the embedded Postgres do not run here: {error.stderr.strip() or error}.",
            hint="Install the library that is missing, or set CADENCE_SYNC_DATABASE_URL.",
        ) from error
    try:
        yield f"postgresql://postgres@/postgres?host={quote(str(postmaster.sockets))}&port={PORT}"
    finally:
        # A server that does not stop in time goes on stopping; its next user finds out.
        with suppress(OSError, DatabaseError), _locked(lock):
            os.close(users)
            with _locked(data_dir / "postgres.users", fcntl.LOCK_EX | fcntl.LOCK_NB):  # else it is in use
                server.stop()


@contextmanager
def temporary(prefix: str = "cadence-sync-", *, below: str | None = None, durable: bool = False) -> Iterator[str]:
    """Yields the URL of a new server, whose data are in a new folder `below` another and are removed at the end.

    Only `durable` data survive a power cut while the server runs.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=below) as made:
        data_dir = Path(made).resolve()
        give(data_dir, account_for(data_dir / "postgres"))
        try:
            with running(data_dir, durable=durable) as url:
                yield url
        finally:
            elsewhere = (data_dir / "postgres").resolve()
            if elsewhere.parent != data_dir:
                shutil.rmtree(elsewhere, ignore_errors=True)


def open_server(data_dir: Path, *, durable: bool = True) -> EmbeddedServer:
    binaries = find_binaries()
    account = account_for(data_dir / "postgres")
    programs = programs_for(account, binaries)
    if _SHELL.search(str(programs.folder)):
        raise EmbeddedError(
            f"The embedded Postgres in {programs.folder} does not start from a path with quotation marks, "
            "dollar signs or backslashes.",
            hint="Install cadence-sync in another folder, or set CADENCE_SYNC_DATABASE_URL.",
        )
    return EmbeddedServer(data_folder(data_dir, account), account, programs, durable)


def describe(data_dir: Path) -> str:
    server = open_server(_resolved(data_dir))
    return (
        f"Postgres {server.binaries.version} of {server.binaries.origin}, run by {server.account.text}; "
        f"data in {server.data}, programs in {server.binaries.folder}"
    )


def _resolved(data_dir: Path) -> Path:
    try:
        resolved = data_dir.expanduser().resolve()
    except RuntimeError as error:
        raise SettingsError(
            f"The data folder {str(data_dir)!r} needs a home folder, and this user has none.",
            hint="Set CADENCE_SYNC_DATA_DIR.",
        ) from error
    if not str(resolved).isprintable():
        raise SettingsError(
            f"The data folder's path {str(resolved)!r} holds characters that cannot be printed.",
            hint="Set CADENCE_SYNC_DATA_DIR.",
        )
    return resolved


def _open_lock(file: Path) -> int:
    number = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    owner = file.parent.stat()
    if os.fstat(number).st_uid != owner.st_uid and os.geteuid() == 0:
        os.fchown(number, owner.st_uid, owner.st_gid)  # or the folder's own user could not use the server any more
    return number


@contextmanager
def _locked(file: Path, mode: int = fcntl.LOCK_EX) -> Iterator[None]:
    number = _open_lock(file)
    try:
        fcntl.flock(number, mode)
        yield
    finally:
        os.close(number)
