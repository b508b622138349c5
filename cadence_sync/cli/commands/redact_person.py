"""`redact-person`: the one command that rewrites history."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final

import typer

from cadence_sync.cli.console import echo, print_json, print_table
from cadence_sync.cli.options import Json, OneOrg, examples, new_app
from cadence_sync.cli.runtime import current_user, read_settings, with_database
from cadence_sync.core.labels import one_line
from cadence_sync.db import redaction
from cadence_sync.db.engine import Engine
from cadence_sync.errors import NotFoundError, docs_hint

_KEPT: Final = (
    "{org}: {count} version(s) name this user in unenroll_properties. That is configuration, and stays.\n"
    f"Hint: remove the user from those rules in Zoho. {docs_hint('Redact a person')}"
)
app = new_app()


@app.command(epilog=examples("cadence-sync redact-person 3652397000000186017"))
def redact_person(
    context: typer.Context,
    user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="The user's id at Zoho.")],
    org: OneOrg = None,
    as_json: Json = False,
) -> None:
    redacted = with_database(read_settings(context), lambda engine: _redact(engine, user_id, org))
    if not redacted:
        raise NotFoundError(
            f"No stored record names a user {user_id!r}.",
            hint="It is Zoho's id of the user: `cadence-sync show ID` shows those of creator and last editor.",
        )
    if as_json:
        print_json([asdict(each) for each in redacted])
    else:
        _print(redacted)


async def _redact(engine: Engine, user_id: str, org_id: str | None) -> list[redaction.Redaction]:
    """Redacts a user in every organization that knows the id, each in a transaction of its own."""
    orgs = await redaction.organizations(engine, org_id)
    tried = [await redaction.redact_person(engine, org, user_id, by=current_user()) for org in orgs]
    return [each for each in tried if each is not None]


def _print(redacted: Sequence[redaction.Redaction]) -> None:
    tables = list(redacted[0].counts)
    print_table("Rows rewritten", ("org_id", *tables), [(each.org_id, *each.counts.values()) for each in redacted])
    for each in redacted:
        if not any(each.counts.values()):
            echo(one_line(f"{each.org_id}: nothing was left to rewrite; the name will not come back."))
        if each.kept:
            echo(_KEPT.format(org=one_line(each.org_id), count=each.kept), sys.stderr)
