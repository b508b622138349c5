"""Shells complete commands and options; no zsh and no fish is needed: bash under their names runs the program."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support import cli

pytestmark = pytest.mark.process

INSTALLED = {
    "bash": (".bash_completions/cadence-sync.sh", ".bashrc"),
    "zsh": (".zfunc/_cadence-sync", ".zshrc"),
    "fish": (".config/fish/completions/cadence-sync.fish", None),
}


async def in_shell(shell: str, line: str, home: Path, **variables: str) -> str:
    """Run a line as if in that shell and return what it prints."""
    bash = shutil.which("bash")
    assert bash is not None
    folder = home / "shells"
    folder.mkdir(exist_ok=True)
    if not (folder / shell).exists():
        shutil.copy(bash, folder / shell)
    plain = cli.environment()
    path = f"{cli.COMMAND.parent}:{plain['PATH']}"
    process = await asyncio.create_subprocess_exec(
        folder / shell, "-c", f"{line}; exit $?",
        env=plain | {"HOME": str(home), "PATH": path} | variables,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(cli.PATIENCE):
        out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    return out.decode()


@pytest.mark.parametrize("shell", INSTALLED)
async def test_completion_is_shown_and_installed_for_the_shell_that_asks(shell: str, tmp_path: Path) -> None:
    script = (await in_shell(shell, "cadence-sync --show-completion", tmp_path)).strip()
    assert f"complete_{shell}" in script
    await in_shell(shell, "cadence-sync --install-completion", tmp_path)
    file, rc = INSTALLED[shell]
    assert (tmp_path / file).read_text().strip() == script
    assert rc is None or (tmp_path / rc).is_file()


PROTOCOLS = {
    "bash": {"COMP_WORDS": "cadence-sync org re", "COMP_CWORD": "2"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "cadence-sync org re"},
    "fish": {"_TYPER_COMPLETE_ARGS": "cadence-sync org re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}


@pytest.mark.parametrize("shell", PROTOCOLS)
async def test_each_shell_is_reported_what_may_follow(shell: str, tmp_path: Path) -> None:
    variables = PROTOCOLS[shell] | {"_CADENCE_SYNC_COMPLETE": f"complete_{shell}"}
    reported = await in_shell(shell, "cadence-sync", tmp_path, **variables)
    assert ("resume" in reported, "remove" in reported, "pause" in reported) == (True, True, False)


async def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    line = (
        'eval "$(cadence-sync --show-completion)"; COMP_WORDS=(cadence-sync doctor --off); COMP_CWORD=2;'
        ' _cadence_sync_completion cadence-sync; echo "${COMPREPLY[@]}"'
    )
    assert await in_shell("bash", line, tmp_path) == "--offline\n"
