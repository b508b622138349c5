"""`make bi-describe`: writes Superset's datasets and dbt's sources from the comments in a temporary database."""

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
