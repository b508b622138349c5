"""What the wizard asks and says: a question until its answer can work, and sentences between questions."""

import sys
from collections.abc import Callable
from typing import TypeVar

from cadence_sync.cli.console import echo
from cadence_sync.cli.output import one_line
from cadence_sync.cli.prompts import prompt
from cadence_sync.errors import CadenceSyncError

T = TypeVar("T")


def valid(question: str, check: Callable[[str], T], *, hidden: bool = False, default: str | None = None) -> T:
    """Ask until an answer can work; each that cannot is told why."""
    while True:
        try:
            return check(prompt(question, hidden=hidden, default=default))
        except (ValueError, CadenceSyncError) as error:
            reason = error.message if isinstance(error, CadenceSyncError) else f"That cannot work: {error}."
            tell(f"   {reason}")


def word(text: str) -> str:
    """Return an answer that must not be empty."""
    if not text:
        raise ValueError("there is nothing")
    return word_or_nothing(text)


def word_or_nothing(text: str) -> str:
    """Return an answer that Zoho may have handed out."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it holds blanks, or characters that Zoho hands out to nobody")
    return text


def tell(text: str) -> None:
    """Speak on stderr, where the questions are too."""
    echo("\n".join(one_line(line) for line in text.split("\n")), sys.stderr)
