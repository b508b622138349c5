"""Questions on a terminal: asked on stderr, since stdout belongs to results."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer

from cadence_sync.cli.console import echo, wrap
from cadence_sync.core.labels import one_line
from cadence_sync.errors import CadenceSyncError

T = TypeVar("T")


def has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def prompt(question: str, *, hidden: bool = False, default: str | None = None) -> str:
    ask: Callable[..., str] = typer.prompt
    text = wrap(f"{question} [{default}]" if default else question, sys.stderr)
    with _stopping(on_its_line=not hidden):
        return ask(text, default=default, hide_input=hidden, show_default=False, err=True).strip()


def confirm(question: str, *, default: bool) -> bool:
    text = wrap(f"{question} [{'Y/n' if default else 'y/N'}]", sys.stderr)
    with _stopping():
        return typer.confirm(text, default=default, show_default=False, err=True)


@contextmanager
def _stopping(*, on_its_line: bool = True) -> Iterator[None]:
    """Exits on Ctrl-C and at the end of input; the shell's prompt gets its own line."""
    try:
        yield
    except typer.Abort:
        if on_its_line:
            print(file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def ask_until_valid(question: str, check: Callable[[str], T], *, hidden: bool = False, default: str | None = None) -> T:
    while True:
        try:
            return check(prompt(question, hidden=hidden, default=default))
        except (ValueError, CadenceSyncError) as error:
            reason = error.message if isinstance(error, CadenceSyncError) else f"That cannot work: {error}."
            tell(f"   {reason}")


def check_word(text: str) -> str:
    if not text:
        raise ValueError("there is nothing")
    return check_optional_word(text)


def check_optional_word(text: str) -> str:
    """Returns an answer; raises `ValueError` for characters that are in none of Zoho's ids and secrets."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it holds blanks, or characters that Zoho hands out to nobody")
    return text


def tell(text: str) -> None:
    echo("\n".join(one_line(line) for line in text.split("\n")), sys.stderr)
