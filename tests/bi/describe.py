"""`make bi-describe`: the files that repeat the database's words, from a database that is made for it."""

import asyncio

from cadence_sync.db import embedded
from cadence_sync.db.engine import open_engine
from cadence_sync.db.migrate import migrate
from dashboards.tool.describe import write


async def main(url: str) -> None:
    async with open_engine(url) as engine:
        await migrate(engine)
    await write(url)


if __name__ == "__main__":
    with embedded.temporary() as found:
        asyncio.run(main(found))
