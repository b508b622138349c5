"""Becomes a user without rights, then the program named on the command line.

Run by path, in a separate process, with the standard library only: `map UID GID PROGRAM …` enters a user
namespace in which root is UID, so that files stay root's; `set UID GID PROGRAM …` becomes that numeric user. Either
way no supplementary group and no right of root is left, which Postgres insists on.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def main(way: str, user: str, group: str, *command: str) -> None:
    """Replaces this process by the command; an `OSError` means that this machine does not allow it."""
    uid, gid = int(user), int(group)
    os.umask(0o077)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    if way == "map":
        _enter_namespace(uid, gid)
    else:
        os.setresuid(uid, uid, uid)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def _enter_namespace(uid: int, gid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.geteuid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny", encoding="ascii")  # without it the kernel refuses the group map
    (own / "gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    (own / "uid_map").write_text(f"{uid} {outside} 1", encoding="ascii")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}")
