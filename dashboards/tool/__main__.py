"""`make bi`: a Superset on this machine with the dashboard, over the configured database or the embedded one."""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack
from typing import Final

import asyncpg

from cadence_sync.config.settings import Settings
from cadence_sync.db import embedded
from dashboards.tool.bundle import address, packed
from dashboards.tool.client import SupersetError, logged_in
from dashboards.tool.reader import create_reader
from dashboards.tool.server import ROOT, StartError, running

HOME: Final = ROOT / ".bi" / "home"
PORT: Final = int(os.environ.get("BI_PORT", "8088"))
READER: Final = "cadence_sync_bi"
"""The role of the embedded server that Superset uses there."""


async def serve(url: str) -> None:
    """Start Superset, import the bundle, and wait."""
    uri, password = address(url)
    task = asyncio.current_task()
    if task is not None:  # else Superset would survive the end of this process
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    print("Superset starts; that takes some 20 seconds.", flush=True)
    async with running(HOME, PORT) as superset:
        async with logged_in(superset) as client:
            # All assets: what an import before has left is replaced, the database's address too.
            await client.import_bundle(packed(uri), password, "assets")
            charts = await client.charts()
        print(f"{len(charts)} charts: {superset.url}/superset/dashboard/cadences/")
        print(f"User admin, password {superset.password} (a new one at every start). Ctrl-C ends it.", flush=True)
        await asyncio.Event().wait()


async def _has_views(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT to_regclass('cadence_reporting.sync_freshness') IS NOT NULL"))
    finally:
        await connection.close()


def main() -> None:
    """Find the database and serve its dashboard."""
    settings = Settings()
    with ExitStack() as stack:
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
            reader = url
        else:
            url = stack.enter_context(embedded.running(settings.data_dir))
            reader = url.replace("//postgres@", f"//{READER}@", 1)
        if not asyncio.run(_has_views(url)):
            sys.exit(
                "The database has no schema cadence_reporting: run `cadence-sync migrate` and `cadence-sync sync`."
            )
        if reader != url:
            asyncio.run(create_reader(url, READER))
        try:
            asyncio.run(serve(reader))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("Superset has ended.")
        except (StartError, SupersetError, OSError) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
