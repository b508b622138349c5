"""The user that the server runs as. Postgres refuses to run as root; files must stay where and whose they are."""

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from cadence_sync.errors import DatabaseError

FIRST_NUMBER: Final = 54329
"""Numeric user of servers that root starts where namespaces are not allowed; the next one if it has a name."""
_LAUNCHER: Final = Path(__file__).with_name("launch.py")
_OVERFLOW: Final = 65534
"""The number that a namespace shows for users outside its map; excluded, so that they stay distinguishable."""


@dataclass(frozen=True, slots=True)
class Account:
    """How programs are started, and with which rights they see files.

    `uid` owns the files that they create. `prefix` goes in front of a command. `text`
    describes it to a person.
    """

    uid: int
    text: str
    prefix: tuple[str, ...] = ()
    has_name: bool = True

    @property
    def is_own(self) -> bool:
        """Whether it is the account of this process, unchanged."""
        return not self.prefix

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, *arguments]

    def may_enter(self, path: Path) -> bool:
        """Whether it may pass through every folder down to `path`, by owner and mode alone: it has no groups."""
        return self.is_own or all(self._may_pass(folder) for folder in (path, *path.parents))

    def _may_pass(self, folder: Path) -> bool:
        found = folder.stat()
        wanted = stat.S_IXUSR if found.st_uid == self.uid else stat.S_IXOTH
        return bool(found.st_mode & wanted)


def account_for(data: Path) -> Account:
    """Choose the account for a data folder, which need not exist yet.

    A user other than root runs the server as themselves. Root runs it as the owner of the data; if that is root, in a
    user namespace; where none is allowed, as a dedicated numeric user. Raises `DatabaseError` where nothing works.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), f"this user ({os.geteuid()})", has_name=_has_name(os.geteuid()))
    owner = data.stat().st_uid if data.is_dir() else 0
    candidates = [_user(owner)] if owner else [_namespace(), _user(_free_number())]
    for account in candidates:
        if _works(account):
            return account
    raise DatabaseError(
        "Postgres does not run as root, and this process may neither use a user namespace nor change its user.",
        hint="Run cadence-sync as another user, or set CADENCE_SYNC_DATABASE_URL.",
        code="EMBEDDED_FAILED",
    )


def give(folder: Path, account: Account) -> None:
    """Make the account the owner of a folder and of all that is in it; links are not followed."""
    if account.is_own or folder.stat().st_uid == account.uid:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place) / name, account.uid, account.uid, follow_symlinks=False)
    os.chown(folder, account.uid, account.uid)  # last: an interrupted change starts over


def _namespace() -> Account:
    inside = next(_named_numbers(), FIRST_NUMBER)
    prefix = _prefix("map", inside, _free_number())
    return Account(0, "root, without its rights, in a user namespace", prefix, has_name=_has_name(inside))


def _user(uid: int) -> Account:
    group = uid
    with suppress(KeyError):
        group = pwd.getpwuid(uid).pw_gid
    return Account(uid, f"the user {uid}", _prefix("set", uid, group), has_name=_has_name(uid))


def _prefix(way: str, uid: int, gid: int) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", str(_LAUNCHER), way, str(uid), str(gid))


def _works(account: Account) -> bool:
    command = account.command("/bin/sh", "-c", ":")
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0  # noqa: S603


def _named_numbers() -> Iterator[int]:
    return (entry.pw_uid for entry in pwd.getpwall() if 0 < entry.pw_uid < _OVERFLOW)


def _free_number() -> int:
    return next(number for number in count(FIRST_NUMBER) if not _has_name(number))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
