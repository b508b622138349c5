"""The `--help` text of each command."""

from collections.abc import Iterator
from typing import Any, Final

from typer import Context

from cadence_sync.cli.app import LazyCommand, build_program

WIDTH: Final = 100


def command_sections() -> str:
    root = build_program()
    return "\n".join(f"## {path}\n\n```text\n{text}\n```\n" for path, text in helps(root, "cadence-sync"))


def helps(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yields path and help of a command and its subcommands, depth first."""
    context = Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
    # Some examples end in white space, which Markdown linters remove.
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines()).strip()
    for name, one in getattr(command, "commands", {}).items():
        yield from helps(one.load() if isinstance(one, LazyCommand) else one, f"{path} {name}")
