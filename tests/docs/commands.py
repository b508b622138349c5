"""The commands: what `--help` prints of each."""

from collections.abc import Iterator
from typing import Any, Final

from typer import Context

from cadence_sync.cli.app import LazyCommand, build_program

WIDTH: Final = 100


def command_sections() -> str:
    root = build_program()
    return "\n".join(f"## {path}\n\n```text\n{text}\n```\n" for path, text in helps(root, "cadence-sync"))


def helps(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a command and of all below it, with the words that call each."""
    context = Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
    # The examples of some commands end in white space, which editors and linters of Markdown take away.
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines()).strip()
    for name, one in getattr(command, "commands", {}).items():
        yield from helps(one.load() if isinstance(one, LazyCommand) else one, f"{path} {name}")
