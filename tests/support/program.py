"""The program's commands, each loaded from its module."""

from collections.abc import Iterator
from typing import Any, Final

from cadence_sync.cli.app import build_program

PROGRAM: Final = build_program()


def _loaded(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _loaded(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command.load()


LOADED: Final = dict(_loaded(PROGRAM, ""))
"""Path of names → command, in the order of the lists."""
