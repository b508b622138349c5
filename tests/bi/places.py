"""A generated history in a server of its own, and a role that may only read the views."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import asyncpg

from cadence_sync.db import embedded
from cadence_sync.db.engine import open_engine
from cadence_sync.db.migrate import migrate
from cadence_sync.wiring import SystemClock
from dashboards.tool.reader import create_reader
from tools.sample_history import write_history

READER = "bi_reader"
PASSWORD = "made-up-for-this"
OLD = timedelta(days=3)


@contextmanager
def history() -> Iterator[str]:
    """Yield the reader's address of a database whose history ends just now; in database `old` it ended before."""
    with embedded.temporary() as url:
        old = url.replace("/postgres?", "/old?")
        asyncio.run(_fill(url, old))
        yield url.replace("//postgres@", f"//{READER}:{PASSWORD}@")


async def _fill(url: str, old: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE old")
    await connection.close()
    now = SystemClock().now() - timedelta(minutes=20)
    for place, until, weeks in ((url, now, 12), (old, now - OLD, 1)):
        async with open_engine(place) as engine:
            await migrate(engine)
            await write_history(engine, until, weeks)
        await create_reader(place, READER, PASSWORD)
