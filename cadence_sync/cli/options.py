"""Options and arguments that several commands take."""

from enum import StrEnum
from typing import Annotated

import typer


class AxisOption(StrEnum):
    """By which time a state is looked up."""

    VALID = "valid"
    OBSERVED = "observed"


Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
OneOrg = Annotated[str | None, typer.Option("--org", help="One organization only.")]
RunId = Annotated[int, typer.Argument(metavar="RUN", help="The number of a run that ended as `held`.")]
CadenceId = Annotated[str, typer.Argument(metavar="ID", help="The cadence's id at Zoho.")]
At = Annotated[str, typer.Option("--at", metavar="T", help="A time with a zone, like 2026-03-01T09:00Z, or `now`.")]
WhichAxis = Annotated[
    AxisOption, typer.Option("--axis", help="By when it was so at Zoho (valid), or by when a sync saw it (observed).")
]


class Format(StrEnum):
    """How a state is written down."""

    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
