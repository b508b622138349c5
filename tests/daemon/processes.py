"""Daemons as processes, against one simulated Zoho with many organizations."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cadence_sync.simulator.tokens import credentials
from tests.support import cli

WAIT = 120
"""Seconds after which something that should happen has not."""


def settings(database_url: str, zoho: str, orgs: int, **more: object) -> str:
    """Return a settings file that names so many organizations."""
    lines = [
        f'database_url = "{database_url}"',
        f'zoho_api_url = "{zoho}"',
        f'zoho_accounts_url = "{zoho}"',
        f'zoho_client_id = "{credentials(0).client_id}"',
        f'zoho_client_secret = "{credentials(0).client_secret}"',
        'sync_interval = "2s"',
        "web_port = 0",
        *(f"{name} = {value}" for name, value in more.items()),
    ]
    for number in range(orgs):
        lines += [f"[orgs.org-{number}]", f'zoho_refresh_token = "{credentials(number).refresh_token}"']
    return "\n".join(lines)


@asynccontextmanager
async def daemon(command: str, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a daemon, and stop it at the end if it still lives."""
    with (cwd / f"{command}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            cli.COMMAND, command, cwd=cwd, env=cli.environment(), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        async with asyncio.timeout(WAIT):
            await process.wait()


def write_settings(folder: Path, text: str) -> None:
    """Put them where the daemons look for them."""
    (folder / "cadence-sync.toml").write_text(text)
    (folder / "cadence-sync.toml").chmod(0o600)
