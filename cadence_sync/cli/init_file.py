"""The settings file that `init` writes: whole or not at all, for its owner alone."""

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from cadence_sync.errors import ArgumentError

MODE: Final = 0o600
_HEAD: Final = "# Written by `cadence-sync init`. It holds secrets: only its owner may read it.\n"


def as_toml(values: Mapping[str, str]) -> str:
    """Return the text of a settings file."""
    text = _HEAD + "".join(f"{name} = {_quoted(value)}\n" for name, value in values.items())
    if tomllib.loads(text) != values:
        raise AssertionError("what is written is not what is read")
    return text


def check_target(target: Path) -> None:
    """Raise `ArgumentError` where no file can be written, before anybody is asked anything."""
    if target.is_symlink():
        raise ArgumentError(
            f"{target} is a symbolic link: secrets are not written through it.", hint="Name another file: --output."
        )
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise ArgumentError(f"{target} is no file.", hint="Name another one: --output.")
    folder = target.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ArgumentError(f"No file can be made in {folder}.", hint="Name one in another folder: --output.")


def backup_of(target: Path) -> Path:
    """Return where an old file is kept."""
    return target.with_name(f"{target.name}.bak")


def write(target: Path, text: str, *, keep_old: bool = False) -> None:
    """Put a file in the place of the old one; there is never half of one, and never none where one was.

    Raises `ArgumentError` where that cannot be done; then everything is as before.
    """
    check_target(target)
    try:
        handle, name = mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)  # mode 0600, no link followed
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if keep_old:
                _keep(target)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"{target} cannot be written: {error.strerror}.", hint="Name another file: --output."
        ) from error


def _keep(target: Path) -> None:
    """Give the old file a second name, and let nobody else read it: it may hold secrets as the new one does."""
    backup = backup_of(target)
    backup.unlink(missing_ok=True)
    backup.hardlink_to(target)
    backup.chmod(MODE)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
