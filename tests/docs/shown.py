"""What a page shows of commands, and whether a terminal showed the same."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BLOCK: Final = re.compile(
    r"(?:<!-- leave running(?: until (\S+))?( )-->\n+)?^ *```console\n(.*?)^ *```", re.DOTALL | re.MULTILINE
)
VOLATILE: Final = (
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? s\b"), "# s"),
    (re.compile(r"[-─]{2,}"), "-"),
    (re.compile(r"\s+"), " "),
)
"""Times, durations, and the widths of columns."""


@dataclass(frozen=True)
class Command:
    """A command, and what the page shows of its output: nothing where it shows none."""

    text: str
    output: list[str]
    left_running: bool = False
    until: str = ""
    """What is waited for of a command that is left running: this, else the last line that is shown."""


def commands(page: str) -> Iterator[Command]:
    """Yield the commands of a page's `console` blocks in their order; a backslash joins lines."""
    for until, mark, block in BLOCK.findall(page):
        for example in re.split(r"^ *\$ ", block, flags=re.MULTILINE)[1:]:
            lines = example.rstrip("\n").split("\n")
            size = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
            output = [line for line in lines[size:] if line.strip()]
            yield Command("\n".join(lines[:size]), output, bool(mark), until or (output[-1].strip() if mark else ""))


def same(wanted: list[str], shown: str) -> bool:
    """Whether the terminal showed these lines; `...` stands for any number of lines."""
    lines = [plain(line) for line in shown.split("\n") if line.strip()]
    pattern = "".join("(?:.*\n)*?" if line.strip() == "..." else f"{re.escape(plain(line))}\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def plain(line: str) -> str:
    """Return a line without what is different every time."""
    for volatile, stand_in in VOLATILE:
        line = volatile.sub(stand_in, line)
    return line.strip()
