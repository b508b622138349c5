"""What declarations of commands share: options, arguments, examples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cadence_sync.core.labels import Axis


@dataclass(slots=True)
class SharedOptions:
    """The options that stand before the command; every command finds them in `context.obj`."""

    config: Path | None = None
    debug: bool = False


Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
OneOrg = Annotated[str | None, typer.Option("--org", help="One organization only.")]
Orgs = Annotated[list[str] | None, typer.Option("--org", help="An organization; may be repeated.")]
RunId = Annotated[int, typer.Argument(metavar="RUN", help="The number of a run that ended as `held`.")]
CadenceId = Annotated[str, typer.Argument(metavar="ID", help="The cadence's id at Zoho.")]
At = Annotated[str, typer.Option("--at", metavar="T", help="A time with a zone, like 2026-03-01T09:00Z, or `now`.")]
WhichAxis = Annotated[
    Axis, typer.Option("--axis", help="By when it was so at Zoho (valid), or by when a sync saw it (observed).")
]
Probe = Annotated[
    str,
    typer.Option(
        metavar="LIST", help="Where Zoho refuses, try these data centers too, like eu,in: each gets the client secret."
    ),
]
OrgId = Annotated[str, typer.Argument(metavar="ID", help="The organization's id, as `org list` shows it.")]
Interval = Annotated[str | None, typer.Option(help="How often to sync it: 90s, 15m, 2h, 1d.")]
Cron = Annotated[str | None, typer.Option(help="A cron line of five fields instead.")]
TimeZone = Annotated[str | None, typer.Option(help="Of the cron line, like Europe/Paris.")]


def new_app() -> typer.Typer:
    """Returns what the commands of one module are registered with; `cli.app` looks them up there by name."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def examples(*lines: str) -> str:
    """Returns lines to try as the end of a help text; a mark of typer's keeps them apart."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
