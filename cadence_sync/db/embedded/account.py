"""The user that the server runs as. Postgres refuses to run as root; files must stay where and whose they are."""

import os
import pwd
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from cadence_sync.errors import DatabaseError

FIRST_NUMBER: Final = 54329
"""Numeric user of servers that root starts where namespaces are not allowed; the next one if it has a name."""
_OVERFLOW: Final = 65534
"""The number that a namespace shows for users outside its map; excluded, so that they stay distinguishable."""


class EmbeddedError(DatabaseError):
    default_code = "EMBEDDED_FAILED"


@dataclass(frozen=True, slots=True)
class Account:
    """How programs are started, and with which rights they see files."""

    uid: int
    """The owner of files that they create."""
    text: str
    """The account in messages."""
    prefix: tuple[str, ...] = ()
    """Arguments in front of each command; none for the account of this process."""
    has_name: bool = True

    def may_enter(self, path: Path) -> bool:
        """Whether it may pass through every folder down to `path`, by owner and mode alone: it has no groups."""
        stats = (folder.stat() for folder in (path, *path.parents))
        return not self.prefix or all(
            each.st_mode & (stat.S_IXUSR if each.st_uid == self.uid else stat.S_IXOTH) for each in stats
        )


def account_for(data: Path) -> Account:
    """Chooses the account for a data folder, which need not exist yet.

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
    raise EmbeddedError(
        "Postgres does not run as root, and this process may neither use a user namespace nor change its user.",
        hint="Run cadence-sync as another user, or set CADENCE_SYNC_DATABASE_URL.",
    )


def give(folder: Path, account: Account) -> None:
    if not account.prefix or folder.stat().st_uid == account.uid:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place) / name, account.uid, account.uid, follow_symlinks=False)
    os.chown(folder, account.uid, account.uid)  # last: an interrupted change starts over


def _namespace() -> Account:
    named = (entry.pw_uid for entry in pwd.getpwall() if 0 < entry.pw_uid < _OVERFLOW)
    inside = next(named, FIRST_NUMBER)
    prefix = _prefix("map", inside, _free_number())
    return Account(0, "root, without its rights, in a user namespace", prefix, has_name=_has_name(inside))


def _user(uid: int) -> Account:
    group = uid
    with suppress(KeyError):
        group = pwd.getpwuid(uid).pw_gid
    return Account(uid, f"the user {uid}", _prefix("set", uid, group), has_name=_has_name(uid))


def _prefix(way: str, uid: int, gid: int) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), way, str(uid), str(gid))


def _works(account: Account) -> bool:
    command = [*account.prefix, "/bin/sh", "-c", ":"]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0  # noqa: S603


def _free_number() -> int:
    return next(number for number in count(FIRST_NUMBER) if not _has_name(number))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
