"""The floor: fetch the pages, decode and hash their records, and on a first load COPY finished bytes. No history."""

import asyncio
import os
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec

CONCURRENCY = 10
PATH = "/crm/v7/settings/automation/cadences"


class Reference(msgspec.Struct):
    """An object with an id."""

    id: str | int
    name: str | None = None
    api_name: str | None = None


class Cadence(msgspec.Struct):
    """A record in flat types."""

    id: str
    name: str
    type: str
    status: str
    active: bool
    published: bool
    module: Reference
    created_time: str
    created_by: Reference
    modified_time: str | None
    modified_by: Reference
    summary: dict[str, int | None]
    custom_view: Reference | None = None
    execution_details: dict[str, Any] | None = None


class Info(msgspec.Struct):
    """The `info` of a page."""

    more_records: bool


class Page(msgspec.Struct):
    """A page with raw records."""

    cadences: list[msgspec.Raw]
    info: Info


async def fetch(url: str, pages: int) -> dict[str, bytes]:
    """Returns id → digest of every record."""
    digests: dict[str, bytes] = {}
    page_of, cadence_of = msgspec.json.Decoder(Page), msgspec.json.Decoder(Cadence)
    numbers = iter(range(1, pages + 1))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for number in numbers:
                async with session.get(url + PATH, params={"page": number, "per_page": 200}) as response:
                    body = await response.read()
                for raw in page_of.decode(body).cadences:
                    digests[cadence_of.decode(raw).id] = blake2b(raw, digest_size=16).digest()

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(work())
    return digests


async def copy(url: str, folder: Path) -> None:
    """Copies each file of the folder into the table of its name."""
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        for file in sorted(folder.iterdir()):
            await connection.copy_to_table(file.name, schema_name="floor", source=str(file), format="binary")
    await connection.close()


async def main() -> None:
    """Takes the server's address, the number of pages, and for a first load the folder of prepared rows."""
    url, pages, *folder = sys.argv[1:]
    assert await fetch(url, int(pages))
    if folder:
        await copy(os.environ["DATABASE_URL"], Path(folder[0]))


if __name__ == "__main__":
    asyncio.run(main())
