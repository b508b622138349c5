"""`serve`: a scheduler, one worker and the web UI in one process."""

from cadence_sync.cli.hosts import check_host
from cadence_sync.config.settings import Settings
from cadence_sync.daemon import app


async def serve_command(settings: Settings) -> None:
    """Sync on schedule until stopped."""
    check_host(settings)
    await app.serve(settings)
