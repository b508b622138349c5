"""`migrate` and `grant-reader`."""

from typing import Annotated

import typer

from cadence_sync import wiring
from cadence_sync.cli.options import examples, new_app
from cadence_sync.cli.runtime import read_settings, run, with_database
from cadence_sync.config.settings import Settings
from cadence_sync.daemon import migration
from cadence_sync.db import grants
from cadence_sync.db.revision import REPORTING

app = new_app()


@app.command(epilog=examples("cadence-sync migrate"))
def migrate(context: typer.Context) -> None:
    """Create or upgrade the tables."""
    run(_migrate(read_settings(context)))


async def _migrate(settings: Settings) -> None:
    async with wiring.database(settings, direct=True) as engine:
        print(f"The database is at revision {await migration.migrate(engine)}.")


@app.command(epilog=examples("cadence-sync grant-reader metabase"))
def grant_reader(
    context: typer.Context,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role of the database that exists.")],
) -> None:
    """Let a role of the database read the reporting layer, and nothing else."""
    with_database(read_settings(context), lambda engine: grants.grant_reader(engine, role))
    print(f"The role {role!r} may read {REPORTING}, and no table behind it.")
