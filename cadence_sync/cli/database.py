"""`migrate`."""

from cadence_sync import wiring
from cadence_sync.settings import Settings


async def migrate_command(settings: Settings) -> None:
    """Bring the database to this code's schema."""
    from cadence_sync.db.migrate import migrate

    async with wiring.database(settings) as engine:
        print(f"The database is at revision {await migrate(engine)}.")
