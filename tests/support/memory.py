"""A folder in memory for data that tests throw away: a database is made ten times as fast there."""

import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it have random names and mode 0700
_ROOM = 2 * 1024**3
"""Bytes that the servers of a few workers may take; containers often have far less."""


def memory_folder() -> str | None:
    """Return the folder, or nothing where the system's usual one must do."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM:
        return str(_MEMORY)
    return None
