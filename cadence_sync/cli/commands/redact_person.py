"""`redact-person`: the one command that rewrites history."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.commands.review import whoever
from cadence_sync.cli.console import echo
from cadence_sync.cli.output import one_line, print_json, print_table
from cadence_sync.config.settings import Settings
from cadence_sync.errors import NotFoundError, docs_hint

if TYPE_CHECKING:
    from cadence_sync.db.redaction import Redaction

_KEPT: Final = (
    "{org}: {count} version(s) name this user in unenroll_properties. That is configuration, and stays.\n"
    f"Hint: remove the user from those rules in Zoho. {docs_hint('Redact a person')}"
)


async def redact_command(settings: Settings, user_id: str, org_id: str | None, *, as_json: bool) -> None:
    """Redact a user in every organization that knows the id, each in a transaction of its own."""
    from cadence_sync.db import redaction

    async with wiring.database(settings) as engine:
        orgs = await redaction.organizations(engine, org_id)
        tried = [await redaction.redact_person(engine, org, user_id, by=whoever()) for org in orgs]
    done = [each for each in tried if each is not None]
    if not done:
        raise NotFoundError(
            f"No stored record names a user {user_id!r}.",
            hint="It is Zoho's id of the user: `cadence-sync show ID` shows those of creator and last editor.",
        )
    if as_json:
        print_json([asdict(each) for each in done])
        return
    _print(done)


def _print(done: "list[Redaction]") -> None:
    tables = list(done[0].counts)
    print_table("Rows rewritten", ("org_id", *tables), [(each.org_id, *each.counts.values()) for each in done])
    for each in done:
        if not any(each.counts.values()):
            echo(one_line(f"{each.org_id}: nothing was left to rewrite; the name will not come back."))
        if each.kept:
            echo(_KEPT.format(org=one_line(each.org_id), count=each.kept), sys.stderr)
