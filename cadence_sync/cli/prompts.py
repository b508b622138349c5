"""What a command cannot do without is asked for on a terminal; secrets come from files, variables or hidden prompts."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from cadence_sync.cli.console import echo, wrap
from cadence_sync.config.settings import Settings
from cadence_sync.config.sources import PREFIX
from cadence_sync.errors import ArgumentError
from cadence_sync.zoho.errors import SCOPE

Fields = dict[str, str | None]
_STDIN: Final = "-"
_STOPPED: Final = 128 + signal.SIGINT
_SECRETS: Final = ("client_secret", "refresh_token", "grant_code")
_WHERE: Final = f"""\
In Zoho's API console, of the data center where the organization lives (https://api-console.zoho.com, .eu, .in …),
make a self client. Its page "Client Secret" has the client's id and secret; "Generate Code", with the scope
{SCOPE}, hands out a grant code that is good for minutes."""


def complete_fields(settings: Settings, fields: Mapping[str, str | None], files: Mapping[str, Path | None]) -> Fields:
    """Return the fields with the secrets that go with them; raises `ArgumentError` where nobody can be asked."""
    known = dict(fields) | {name: _secret(name, files[name]) for name in _SECRETS}
    if has_terminal():
        _ask_for_missing(settings, known)
    return known


def confirm_purge(org_id: str) -> None:
    """Let a person type the id of what is to be deleted; raises `ArgumentError` where it is not that."""
    if not has_terminal():
        raise ArgumentError("Nobody can be asked whether to delete the history.", hint="Add --yes.")
    echo("Its whole history will be deleted: nothing can bring it back.", sys.stderr)
    if prompt("Type the organization's id") != org_id:
        raise ArgumentError("That is another id: nothing was deleted.")


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def _secret(name: str, file: Path | None) -> str | None:
    variable = f"{PREFIX}ORG_{name.upper()}"
    if file is None:
        return os.environ.get(variable) or None
    try:
        text = sys.stdin.readline() if str(file) == _STDIN else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ArgumentError(f"{file} cannot be read: {reason}.", hint=f"Or set {variable}.") from error
    if not text.strip():
        raise ArgumentError(f"{file} is empty.", hint=f"It should hold the {name.replace('_', ' ')}.")
    return text.strip()


def _ask_for_missing(settings: Settings, known: Fields) -> None:
    """Ask for what is neither given nor set; the grant code comes last, for it does not live long."""
    has_client = settings.zoho_client_id is not None and settings.zoho_client_secret is not None
    needs_token = not known["refresh_token"] and not known["grant_code"]
    if needs_token or not (known["client_id"] or has_client):
        echo(_WHERE, sys.stderr)
    if not known["org_id"]:
        known["org_id"] = prompt("Id of the organization, of your choice")
    if needs_token and not known["data_center"]:
        known["data_center"] = prompt("Data center", default=settings.zoho_data_center)
    if not known["client_id"] and not has_client:
        known["client_id"] = prompt("Client id")
    if not known["client_secret"] and known["client_id"] not in {None, settings.zoho_client_id}:
        known["client_secret"] = prompt("Client secret", hidden=True)
    if needs_token:
        known["grant_code"] = prompt("Grant code (empty if you have a refresh token)", hidden=True, default="")
        if not known["grant_code"]:
            known["refresh_token"] = prompt("Refresh token", hidden=True)


def prompt(question: str, *, hidden: bool = False, default: str | None = None) -> str:
    """Ask on stderr, for stdout belongs to results; what is hidden is not echoed."""
    ask: Callable[..., str] = typer.prompt
    text = wrap(f"{question} [{default}]" if default else question, sys.stderr)
    with _stopping(on_its_line=not hidden):
        return ask(text, default=default, hide_input=hidden, show_default=False, err=True).strip()


def confirm(question: str, *, default: bool) -> bool:
    """Ask for a yes or a no on stderr."""
    text = wrap(f"{question} [{'Y/n' if default else 'y/N'}]", sys.stderr)
    with _stopping():
        return typer.confirm(text, default=default, show_default=False, err=True)


@contextmanager
def _stopping(*, on_its_line: bool = True) -> Iterator[None]:
    """Leave where nobody answers: by Ctrl-C, or at the end of what is typed; the shell's prompt gets its own line."""
    try:
        yield
    except typer.Abort:
        if on_its_line:
            print(file=sys.stderr)
        sys.exit(_STOPPED)
