"""The git repository that `export --git` writes: only one that it made itself, and never over a person's work."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cadence_sync.errors import ArgumentError

NEXT: Final = "refs/cadence-sync/next"
"""The ref that commits are imported to, before the branch moves there."""
_BRANCH: Final = "refs/heads/main"
_MARK: Final = "cadence-sync.export"
"""The git setting that marks an export, and names its organization."""
_ALL: Final = "*"


@dataclass(slots=True)
class Repository:
    folder: Path
    git: str
    made: tuple[Path, ...] = ()
    """Folders that this process made, removed if it fails."""

    @classmethod
    def at(cls, folder: Path) -> "Repository":
        """Returns the repository in a folder; raises `ArgumentError` where git is missing."""
        git = shutil.which("git")
        if git is None:
            raise ArgumentError(
                "git is not installed, or not in PATH.", hint="Install git 2.28 or newer.", code="NO_GIT"
            )
        return cls(folder.resolve(), git)

    async def take(self, org: str | None, stream: AsyncIterator[bytes]) -> None:
        """Imports commits and moves the branch there, if that loses none; raises `ArgumentError`."""
        try:
            await self._open(org)
            await self._import(stream)
            await self._advance()
        except BaseException:
            for folder in self.made:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    async def has_commits(self) -> bool:
        return await self._commit(_BRANCH) is not None

    async def _open(self, org: str | None) -> None:
        scope = _ALL if org is None else f"org:{org}"
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            await self._check(scope)
            return
        existed = self.folder.exists()
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)  # it names people
        except OSError as error:
            raise _folder_error(
                f"{self.folder} cannot be made: {error.strerror or error}.", "Name another folder."
            ) from error
        self.made = (self.folder / ".git",) if existed else (self.folder,)
        # Without the user's templates and defaults: the same history makes the same repository everywhere.
        await self._run("init", "--quiet", "--template=", "--initial-branch=main", "--object-format=sha1")
        await self._run("config", _MARK, scope)

    async def _check(self, scope: str) -> None:
        found = await self._ask("config", "--local", _MARK) if (self.folder / ".git").is_dir() else None
        if found is None:
            raise _folder_error(f"{self.folder} is not empty and no export.", "Name a new folder, or an empty one.")
        if found != scope:
            raise _folder_error(
                f"{self.folder} is an export of {'all organizations' if found == _ALL else repr(found[4:])}.",
                "Use the same --org as then, or another folder.",
            )
        if await self._ask("symbolic-ref", "HEAD") != _BRANCH or await self._ask("status", "--porcelain") != "":
            raise _folder_error(
                f"{self.folder} holds changes that are not committed, or another branch than main is checked out.",
                "Nothing was touched; commit them to a branch of yours and run `git checkout main` there.",
            )

    async def _advance(self) -> None:
        old, new = await self._commit(_BRANCH), await self._commit(NEXT)
        if new is None:
            return
        if old is not None and await self._ask("merge-base", "--is-ancestor", old, new) is None:
            raise _folder_error(
                f"The branch main in {self.folder} is not the beginning of this history.",
                "Nothing was touched; use another folder: with several organizations one for each (--org),"
                " and a new one after a person was redacted.",
            )
        await self._run("reset", "--quiet", "--hard", new)
        await self._run("update-ref", "-d", NEXT)

    async def _commit(self, name: str) -> str | None:
        return await self._ask("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")

    async def _import(self, stream: AsyncIterator[bytes]) -> None:
        await self._ask("update-ref", "-d", NEXT)
        with tempfile.TemporaryFile() as complaints:
            command = ("fast-import", "--quiet", "--done", "--date-format=raw")
            process = await self._start(*command, stdin=asyncio.subprocess.PIPE, stderr=complaints)
            try:
                # A git that died says why itself; the broken pipe does not.
                with suppress(BrokenPipeError, ConnectionResetError):
                    await _feed(process, stream)
                code = await process.wait()
            except BaseException:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                raise
            complaints.seek(0)
            _check_code(code, "fast-import", complaints.read())

    async def _run(self, *arguments: str) -> None:
        process = await self._start(*arguments, stderr=asyncio.subprocess.PIPE)
        _, complaints = await process.communicate()
        _check_code(process.returncode, arguments[0], complaints)

    async def _ask(self, *arguments: str) -> str | None:
        """Returns git's output, or None where it fails."""
        process = await self._start(*arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return out.decode(errors="replace").rstrip("\n") if process.returncode == 0 else None

    async def _start(self, *arguments: str, **streams: Any) -> asyncio.subprocess.Process:
        """Starts git; what is not in `streams` leads nowhere."""
        # It writes into this folder alone: not into the repository of a hook that calls it, nor into one around it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return await asyncio.create_subprocess_exec(
            *(self.git, "-C", str(self.folder), "-c", f"core.hooksPath={os.devnull}", *arguments),
            **dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.DEVNULL) | streams,
            env=environment | {"LC_ALL": "C", "GIT_CEILING_DIRECTORIES": str(self.folder.parent)},
        )


async def _feed(process: asyncio.subprocess.Process, stream: AsyncIterator[bytes]) -> None:
    pipe = process.stdin
    if pipe is None:
        raise RuntimeError("git was started without a pipe")
    async for part in stream:
        pipe.write(part)
        await pipe.drain()
    pipe.close()


def _folder_error(message: str, hint: str) -> ArgumentError:
    return ArgumentError(message, hint=hint, code="EXPORT_DIRECTORY")


def _check_code(code: int | None, command: str, complaints: bytes) -> None:
    if code != 0:
        said = complaints.decode(errors="replace").strip().splitlines()
        fatal = [line.removeprefix("fatal: ") for line in said if line.startswith("fatal: ")]
        reason = (fatal or said or [f"exit code {code}"])[-1]
        raise ArgumentError(
            f"`git {command}` failed: {reason}",
            hint="The branch was not moved; check the folder, its disk, and `git --version`: 2.28 or newer.",
            code="GIT_FAILED",
        )
