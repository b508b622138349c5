"""`--help` of every command shows examples, and every example is one that the program understands."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cadence_sync import __version__
from cadence_sync.cli.app import WIDEST
from cadence_sync.cli.commands import COMMANDS, GROUPS
from cadence_sync.cli.options import SharedOptions
from tests.support import cli
from tests.support.program import LOADED, PROGRAM

pytestmark = pytest.mark.process


def examples_of(command: Any) -> list[str]:
    head, _, lines = (command.epilog or "").partition("\n\n")[0].partition("Examples:\n")
    assert head in {"", "\b\n"}
    return [line.strip() for line in lines.splitlines()]


EXAMPLES = {"": examples_of(PROGRAM)} | {name: examples_of(command) for name, command in LOADED.items()}


def understood(command: Any, words: list[str], parent: Any = None, name: str = "cadence-sync") -> str:
    """Parse a line as the program does, without running anything, and return the command that it names."""
    with command.make_context(name, words, parent=parent, obj=SharedOptions()) as context:
        if not hasattr(command, "commands"):
            return ""
        rest = [*context._protected_args, *context.args]
        if not rest:
            return ""
        found, sub, rest = command.resolve_command(context, rest)
        return f"{found} {understood(sub, rest, context, found)}".strip()


def test_lists_say_of_every_command_what_it_says_itself() -> None:
    assert list(LOADED) == list(COMMANDS)
    assert {name: command.help for name, command in LOADED.items()} == COMMANDS
    assert {name: PROGRAM.commands[name].help for name in GROUPS} == GROUPS
    assert {len(command.help.splitlines()) for command in LOADED.values()} == {1}


async def test_it_prints_its_version(tmp_path: Path) -> None:
    result = await cli.run("--version", cwd=tmp_path)
    assert (result.code, result.out, result.err) == (0, f"cadence-sync {__version__}\n", "")


def test_every_command_has_examples() -> None:
    assert [name for name, lines in EXAMPLES.items() if not lines] == []


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_is_understood(name: str) -> None:
    for line in EXAMPLES[name]:
        program, *words = shlex.split(line)
        assert program == "cadence-sync"
        if name:
            assert understood(PROGRAM, words) == name
        elif words[-1] != "--help":
            assert understood(PROGRAM, words) in EXAMPLES


@pytest.mark.parametrize("words", [[], ["diff"], ["org"], ["org", "add"]], ids=" ".join)
@pytest.mark.parametrize(("columns", "widest"), [(40, 50), (80, 80), (300, WIDEST)])
async def test_help_is_as_wide_as_the_terminal_and_whole(
    tmp_path: Path, around: Callable[..., None], words: list[str], columns: int, widest: int
) -> None:
    around(COLUMNS=str(columns))
    result = await cli.run(*words, "--help", cwd=tmp_path)
    examples = EXAMPLES.get(" ".join(words), [])
    lines = [line for line in result.out.splitlines() if line.strip() not in examples]
    assert widest - 25 < max(map(len, lines)) <= widest
    assert [f"    {line}" in result.out.splitlines() for line in examples] == [True] * len(examples)
    assert (result.code, "\x1b" in result.out, result.err) == (0, False, "")


@pytest.mark.parametrize("words", [[], ["org"], ["alerts"]], ids=" ".join)
async def test_a_list_of_commands_cuts_nothing_off(
    tmp_path: Path, around: Callable[..., None], words: list[str]
) -> None:
    around(COLUMNS="60")
    shown = " ".join((await cli.run(*words, "--help", cwd=tmp_path)).out.split())
    group = PROGRAM.commands[words[0]] if words else PROGRAM
    for name, command in group.commands.items():
        assert f"{name} {command.short_help}" in shown
