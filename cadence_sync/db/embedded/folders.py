"""Places for the server's files: data, programs and socket, each where the server's account may enter.

Permissions of folders that were there before are never changed. Where root's server may not enter, its files go below
`/var/lib/cadence-sync`.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from cadence_sync.db.embedded.account import Account, EmbeddedError, give
from cadence_sync.db.embedded.binaries import Binaries
from cadence_sync.db.embedded.postmaster import PORT

STATE: Final = Path("/var/lib/cadence-sync")
"""Where root's server may always enter."""
LONGEST_SOCKET: Final = 103
"""Bytes of a socket's path that every supported system takes."""
_PREFIX: Final = "cadence-sync-"
_PLAIN: Final = re.compile(r"[\w./-]+", re.ASCII)
"""Paths that need no quoting: `pg_ctl` hands its options to a shell."""


def data_folder(data_dir: Path, account: Account) -> Path:
    """Returns the folder of the server's data, made if it is missing: `data_dir`/postgres, or where that links to."""
    folder = data_dir / "postgres"
    if not folder.exists():
        if folder.is_symlink():
            folder.unlink()  # its target no longer exists
        if account.may_enter(data_dir):
            folder.mkdir(mode=0o700)
        else:
            folder.symlink_to(tempfile.mkdtemp(prefix="postgres-", dir=_state()), target_is_directory=True)
    folder = folder.resolve()
    if not account.may_enter(folder.parent):
        raise EmbeddedError(
            f"The embedded Postgres, as {account.text}, may not enter {folder}.",
            hint=f"Move that folder below {STATE} and set CADENCE_SYNC_DATA_DIR, or run cadence-sync as its owner.",
        )
    if any(folder.iterdir()) and not (folder / "PG_VERSION").is_file():
        raise EmbeddedError(
            f"The folder {folder} holds other files than the data of a Postgres.",
            hint="Set CADENCE_SYNC_DATA_DIR to another folder.",
        )
    give(folder, account)
    return folder


def programs_for(account: Account, binaries: Binaries) -> Binaries:
    """Returns programs that the account can run: these, else a copy of them that is made once."""
    if binaries.root is None or all(account.may_enter(part.resolve()) for part in binaries.parts):
        return binaries
    name = hashlib.sha256(f"{binaries.root} {binaries.origin} {binaries.version}".encode()).hexdigest()[:12]
    root = _state() / f"programs-{binaries.version}-{name}"
    if not root.exists():
        copy = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
        for part in binaries.parts:
            shutil.copytree(part, copy / part.relative_to(binaries.root), symlinks=True)
        _open_to_all(copy)
        try:
            copy.rename(root)
        except OSError:  # another process made it first
            shutil.rmtree(copy)
    return binaries.below(root)


@contextmanager
def nameless(account: Account, binaries: Binaries) -> Iterator[Binaries]:
    """Yields programs that make a data folder for an account without a name in the user database.

    `initdb` looks up the name of its user, uses it for nothing that we do not set, and refuses where there is none,
    as in a container with an arbitrary user. In these copies the look-up by number is a look-up of the first entry:
    both functions of the C library have names of eight letters.
    """
    if account.has_name:
        yield binaries
        return
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_short_folder(account)) as made:
        root = Path(made)
        source = binaries.root or binaries.folder.parent
        for part in binaries.parts or tuple(binaries.folder.parent.iterdir()):  # found relative to the programs
            if part != binaries.folder:
                link = root / part.relative_to(source)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(part, target_is_directory=True)
        folder = root / binaries.folder.relative_to(source)
        folder.mkdir(parents=True)
        for name in ("initdb", "postgres"):
            program = (binaries.folder / name).read_bytes()
            (folder / name).write_bytes(program.replace(b"\0getpwuid\0", b"\0getpwent\0"))
        _open_to_all(root)
        give(root, account)
        yield replace(binaries, folder=folder)


def new_socket_folder(account: Account) -> Path:
    """Makes a private folder for the socket: access to the socket is superuser access."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_short_folder(account)))
    give(folder, account)
    return folder


def forget_socket_folder(folder: Path) -> None:
    if folder.name.startswith(_PREFIX):
        with suppress(OSError):
            for left in folder.glob(f".s.PGSQL.{PORT}*"):
                left.unlink()
            folder.rmdir()


def _short_folder(account: Account) -> Path:
    runtime = f"/run/user/{os.geteuid()}"
    # Folders made there have random names and mode 0700.
    places = (tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR"), runtime, "/tmp", "/var/tmp")  # noqa: S108
    for place in filter(None, places):
        folder = Path(place).resolve()
        longest = len(os.fsencode(folder)) + len(f"/{_PREFIX}12345678/.s.PGSQL.{PORT}")
        is_fit = longest <= LONGEST_SOCKET and _PLAIN.fullmatch(str(folder)) is not None
        if is_fit and os.access(folder, os.W_OK | os.X_OK) and account.may_enter(folder):
            return folder
    raise EmbeddedError(
        "The embedded Postgres finds no folder for its socket.",
        hint="Set TMPDIR to a writable folder with a short path of plain characters.",
    )


def _state() -> Path:
    with suppress(FileExistsError):
        STATE.mkdir()
        STATE.chmod(0o755)  # independent of the umask: the server's account must pass
    return STATE


def _open_to_all(root: Path) -> None:
    for place, folders, files in os.walk(root):
        for path in (Path(place) / name for name in (*folders, *files)):
            if not path.is_symlink():
                is_program = path.stat().st_mode & 0o100 or path.parent.name == "bin"
                path.chmod(0o755 if path.is_dir() or is_program else 0o644)
    root.chmod(0o755)
