"""`worker`: a daemon that takes jobs, as `serve` does beside its scheduler."""

from cadence_sync.cli.hosts import check_host
from cadence_sync.config.settings import Settings
from cadence_sync.daemon import app


async def worker_command(settings: Settings) -> None:
    """Take jobs until stopped."""
    if settings.worker_port is not None:
        check_host(settings)
    await app.work(settings)
