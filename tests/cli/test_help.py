"""`--help` of every command shows examples, and every example is one that the program understands."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cadence_sync.cli.app import WIDEST, app
from cadence_sync.cli.declarations import Shared
from cadence_sync.cli.examples import EXAMPLES
from tests.support import cli

pytestmark = pytest.mark.process

PROGRAM: Any = get_command(app)


def commands(group: Any = PROGRAM, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def understood(command: Any, words: list[str], parent: Any = None, name: str = "cadence-sync") -> str:
    """Parse a line as the program does, without running anything, and return the command that it names."""
    with command.make_context(name, words, parent=parent, obj=Shared()) as context:
        if not hasattr(command, "commands"):
            return ""
        rest = [*context._protected_args, *context.args]
        if not rest:
            return ""
        found, sub, rest = command.resolve_command(context, rest)
        return f"{found} {understood(sub, rest, context, found)}".strip()


def test_every_command_has_examples_and_no_other() -> None:
    assert set(EXAMPLES) == {"", *commands()}


@pytest.mark.parametrize("name", sorted({"", *commands()}))
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
    examples = EXAMPLES.get(" ".join(words), ())
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
        assert f"{name} {command.help.partition(chr(10))[0]}" in shown
