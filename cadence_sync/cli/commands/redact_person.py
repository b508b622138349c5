"""`redact-person`: the one command that rewrites history, and the report of what is held of a person."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Final

import typer

from cadence_sync.cli.console import echo, print_json, print_table
from cadence_sync.cli.options import Json, OneOrg, examples, new_app
from cadence_sync.cli.runtime import current_actor, read_settings, with_database
from cadence_sync.config.settings import Settings
from cadence_sync.core.labels import one_line
from cadence_sync.db import operators, redaction
from cadence_sync.db.engine import Engine
from cadence_sync.errors import ArgumentError, NotFoundError, docs_hint

_KEPT: Final = (
    "{org}: {count} version(s) name this user in unenroll_properties. That is configuration, and stays.\n"
    f"Hint: remove the user from those rules in Zoho. {docs_hint('Redact a person')}"
)
app = new_app()


@app.command(
    epilog=examples(
        "cadence-sync redact-person 3652397000000186017 --dry-run",
        "cadence-sync redact-person 3652397000000186017",
        "cadence-sync redact-person --operator ana@example.com",
    )
)
def redact_person(
    context: typer.Context,
    user_id: Annotated[str | None, typer.Argument(metavar="[USER_ID]", help="The user's id at Zoho.")] = None,
    *,
    operator: Annotated[
        str | None,
        typer.Option("--operator", metavar="NAME", help="A name in the audit log instead: of who works with this."),
    ] = None,
    org: OneOrg = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is held, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    if (user_id is None) == (operator is None) or (operator is not None and org is not None):
        raise ArgumentError(
            "Either a user's id or --operator is needed; --org goes with the id only.",
            hint="`cadence-sync redact-person --help` shows both.",
        )
    settings = read_settings(context)
    if operator is not None:
        _redact_operator(settings, operator, dry_run=dry_run, as_json=as_json)
    elif user_id is not None:
        _redact_user(settings, user_id, org, dry_run=dry_run, as_json=as_json)


def _redact_operator(settings: Settings, name: str, *, dry_run: bool, as_json: bool) -> None:
    by = current_actor()
    counts = with_database(settings, lambda engine: operators.redact_operator(engine, name, by, dry_run=dry_run))
    if not any(counts.values()):
        raise NotFoundError(
            f"No entry names an operator {name!r}.", hint="`cadence-sync audit export` shows the names as they are."
        )
    if as_json:
        print_json({"operator": name, "counts": counts, "dry_run": dry_run})
    else:
        print_table("Rows that name the operator" if dry_run else "Rows rewritten", list(counts), [[*counts.values()]])


def _redact_user(settings: Settings, user_id: str, org: str | None, *, dry_run: bool, as_json: bool) -> None:
    redacted = with_database(settings, lambda engine: _redact(engine, user_id, org, dry_run=dry_run))
    if not redacted:
        raise NotFoundError(
            f"No stored record names a user {user_id!r}.",
            hint="It is Zoho's id of the user: `cadence-sync show ID` shows those of creator and last editor.",
        )
    if as_json:
        print_json([asdict(each) | {"dry_run": dry_run} for each in redacted])
    elif dry_run:
        _print_report(redacted)
    else:
        _print(redacted)


async def _redact(engine: Engine, user_id: str, org_id: str | None, *, dry_run: bool) -> list[redaction.Redaction]:
    """Redacts a user in every organization that knows the id, each in a transaction of its own."""
    orgs, by = await redaction.organizations(engine, org_id), current_actor()
    tried = [await redaction.redact_person(engine, org, user_id, by, dry_run=dry_run) for org in orgs]
    return [each for each in tried if each is not None]


def _print(redacted: Sequence[redaction.Redaction]) -> None:
    tables = list(redacted[0].counts)
    print_table("Rows rewritten", ("org_id", *tables), [(each.org_id, *each.counts.values()) for each in redacted])
    for each in redacted:
        if not any(each.counts.values()):
            echo(one_line(f"{each.org_id}: nothing was left to rewrite; the name will not come back."))
    _print_kept(redacted)


def _print_report(found: Sequence[redaction.Redaction]) -> None:
    def rows(each: redaction.Redaction, counts: Mapping[str, int], becomes: str) -> list[tuple[object, ...]]:
        return [(each.org_id, place, count, becomes) for place, count in counts.items() if count]

    shown = [row for each in found for row in (*rows(each, each.counts, "redacted"), *rows(each, each.ids, "kept"))]
    print_table("Rows that hold this user's name or id", ("org_id", "place", "rows", "redact-person"), shown)
    _print_kept(found)


def _print_kept(found: Sequence[redaction.Redaction]) -> None:
    for each in found:
        if each.kept:
            echo(_KEPT.format(org=one_line(each.org_id), count=each.kept), sys.stderr)
