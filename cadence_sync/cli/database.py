"""`migrate` and `grant-reader`."""

from cadence_sync import wiring
from cadence_sync.config.settings import Settings


async def migrate_command(settings: Settings) -> None:
    """Bring the database to this code's schema."""
    from cadence_sync.daemon.migration import migrate

    async with wiring.direct_database(settings) as engine:
        print(f"The database is at revision {await migrate(engine)}.")


async def grant_reader_command(settings: Settings, role: str) -> None:
    """Let a role read the reporting layer and nothing else."""
    from cadence_sync.db.grants import grant_reader
    from cadence_sync.db.revision import REPORTING

    async with wiring.database(settings) as engine:
        await grant_reader(engine, role)
    print(f"The role {role!r} may read {REPORTING}, and no table behind it.")
