"""Where servers of tests keep their data: in memory where there is room, and nowhere once the tests are over."""

import shutil
from pathlib import Path

from cadence_sync.db.embedded import folders

_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it have random names and mode 0700
_ROOM = 2 * 1024**3
"""Bytes that the servers of a few workers may take; containers often have far less."""


def memory_folder() -> str | None:
    """Return a folder in which databases are made ten times as fast, or nothing where the usual one must do."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM:
        return str(_MEMORY)
    return None


def remove_linked_data(folder: Path) -> None:
    """Remove the data that folders below this one only link to, as those of root's server may."""
    for link in folder.rglob("postgres"):
        data = link.resolve()
        if link.is_symlink() and data.parent == folders.STATE and data.name.startswith("postgres-"):
            shutil.rmtree(data)
