"""`org import`: many organizations, some side by side; one's failure never stops another."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cadence_sync import wiring
from cadence_sync.cli.console import echo
from cadence_sync.cli.new_org import parse_new_org
from cadence_sync.cli.org_file import Row, named_twice, read_orgs
from cadence_sync.cli.output import one_line, print_json, shown_error
from cadence_sync.config.settings import Settings
from cadence_sync.core.report import most_severe
from cadence_sync.db.crypto import make_cipher
from cadence_sync.errors import ArgumentError, CadenceSyncError
from cadence_sync.orgs.onboarding import add_org

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

AT_ONCE: Final = 8
"""Organizations that are proved side by side."""


async def import_command(settings: Settings, file: Path, *, again: bool, prove: bool, as_json: bool) -> int:
    """Add those that can be, name those that cannot, and return the exit code of the gravest failure."""
    make_cipher(settings.encryption_key_list)  # without a key no row can succeed
    rows = read_orgs(file)
    twice, places = named_twice(rows), asyncio.Semaphore(AT_ONCE)

    async def attempt(engine: "AsyncEngine", row: Row) -> CadenceSyncError | None:
        async with places:
            try:
                await _add(settings, engine, row, again=again, prove=prove, twice=twice)
            except CadenceSyncError as error:
                return error
        return None

    async with wiring.database(settings) as engine, asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(engine, row)) for row in rows]
    results = [((row["org_id"] or "").strip(), task.result()) for row, task in zip(rows, tasks, strict=True)]
    failed = [(org_id, error) for org_id, error in results if error is not None]
    for org_id, error in failed:
        echo(one_line(f"{org_id}: {error.message} {error.hint}".rstrip()), sys.stderr)
    if as_json:
        print_json([{"org_id": org_id, "error": error and shown_error(error)} for org_id, error in results])
    else:
        print(f"Stored {len(results) - len(failed)} of {len(results)} organizations.")
    return most_severe(error.exit_code for _, error in failed)


async def _add(
    settings: Settings, engine: "AsyncEngine", row: Row, *, again: bool, prove: bool, twice: set[str]
) -> None:
    wanted = parse_new_org(settings, row)
    if wanted.org.org_id in twice:
        raise ArgumentError("The file names it more than once.", hint="None of them was stored.", code="ORG_EXISTS")
    if wanted.grant_code and not prove:
        raise ArgumentError("A grant code cannot be swapped without asking Zoho.", hint="Leave out --no-check.")
    await add_org(settings, engine, wanted, again=again, prove=prove)
