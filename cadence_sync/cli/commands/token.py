"""`token create`, `token list` and `token revoke`: who may use the web UI, besides the holders of the one token."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

import typer

from cadence_sync import wiring
from cadence_sync.cli.console import echo, print_json, print_rows, show_note
from cadence_sync.cli.options import Json, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, with_database
from cadence_sync.config.settings import seconds_of
from cadence_sync.core.identity import RESERVED_NAMES, Role
from cadence_sync.core.labels import one_line
from cadence_sync.db import access_tokens
from cadence_sync.db.access_tokens import NewToken
from cadence_sync.errors import ArgumentError

NEVER: Final = "never"
DEFAULT_EXPIRY: Final = "365d"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SPELLING: Final = f"Write it like 90d, 12h or 2027-03-31, or `{NEVER}`."
_COLUMNS: Final = ("name", "status", "role", "orgs", "created_at", "created_by", "expires_at", "last_used_at")
_SECONDS_ALONE: Final = re.compile(r"\s*[\d.]+\s*")
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync token create grafana --role viewer",
        "cadence-sync token create maria --role reviewer --org acme --org globex --expires 90d",
        "cadence-sync token create feed --role viewer --expires 2027-03-31 --json",
    )
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it; the audit log shows this name.")],
    role: Annotated[Role, typer.Option(help="A viewer reads; a reviewer also approves, rejects and requests syncs.")],
    org: Annotated[
        list[str] | None, typer.Option(help="Limit it to this organization; may be repeated. Default: all.")
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help=f"How long it is valid, like 90d; its last day; or `{NEVER}`.")
    ] = DEFAULT_EXPIRY,
    as_json: Json = False,
) -> None:
    if not _NAME.fullmatch(name):
        raise ArgumentError(
            f"The token cannot be named {name!r}.",
            hint="Use 1 to 64 letters, digits, and `.`, `_`, `@` or `-`, beginning with a letter or digit.",
        )
    if name in RESERVED_NAMES:
        raise ArgumentError(
            f"The token cannot be named {name!r}: the audit log has another meaning for that.",
            hint="Name it after the person or program that uses it.",
        )
    new = NewToken(name, role, org or None, parse_expiry(expires, wiring.SystemClock().now()))
    settings, by = read_settings(context), current_actor()
    secret, row = with_database(settings, lambda engine: access_tokens.create_token(engine, new, by))
    if as_json:
        print_json(_shown(row) | {"secret": secret})
        return
    which = _org_names(row["orgs"])
    until = "never expires" if row["expires_at"] is None else f"expires at {one_line(row['expires_at'])} UTC"
    show_note(f"The token {name!r} is a {role} of {which} and {until}. It is not stored and not shown again.")
    print(secret)


@app.command("list", epilog=examples("cadence-sync token list", "cadence-sync token list --all --json"))
def list_(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    as_json: Json = False,
) -> None:
    found = with_database(read_settings(context), lambda engine: access_tokens.list_tokens(engine, revoked=every))
    rows = [_shown(row) for row in found]
    if as_json:
        print_json(rows)
    else:
        rows = [row | {"orgs": _org_names(row["orgs"])} for row in rows]
        print_rows("Access tokens (times in UTC)", _COLUMNS, rows)


@app.command(epilog=examples("cadence-sync token revoke grafana"))
def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name, as `token list` shows it.")],
    as_json: Json = False,
) -> None:
    settings, by = read_settings(context), current_actor()
    revoked_at = with_database(settings, lambda engine: access_tokens.revoke_token(engine, name, by))
    if as_json:
        print_json({"name": name, "revoked_at": revoked_at, "revoked_by": by.name})
    else:
        echo(one_line(f"The token {name!r} is revoked; sessions that began with it are over."))


def parse_expiry(written: str, now: datetime) -> datetime | None:
    """Returns when a token ends, at the end of a day in UTC; None for never. Raises `ArgumentError`."""
    if written == NEVER:
        return None
    try:
        ends = _end_of(written, now)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"--expires {written!r} is no time.", hint=_SPELLING, code="BAD_TIME") from error
    if ends <= now:
        raise ArgumentError(f"--expires {written!r} has passed already.", hint=_SPELLING, code="BAD_TIME")
    return ends


def _end_of(written: str, now: datetime) -> datetime:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", written):
        return datetime.combine(date.fromisoformat(written) + timedelta(days=1), time(), UTC)
    if _SECONDS_ALONE.fullmatch(written):  # who writes 90 means days
        raise ValueError("expected a unit")
    return now + timedelta(seconds=seconds_of(written))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    now = wiring.SystemClock().now()
    ended = row["expires_at"] is not None and row["expires_at"] <= now
    status = "revoked" if row["revoked_at"] is not None else "expired" if ended else "active"
    return {**row, "status": status}


def _org_names(orgs: list[str] | None) -> str:
    return "all organizations" if orgs is None else ", ".join(orgs)
