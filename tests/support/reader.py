"""A role that reads `cadence_reporting` and nothing else, as `grant-reader` makes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from cadence_sync.db.engine import open_engine
from cadence_sync.db.grants import grant_reader
from cadence_sync.ports import Actor

_NUMBERS = count(1)


@asynccontextmanager
async def reader(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of a reader; roles belong to the whole server, so each has a name of its own."""
    address = urlsplit(database_url)
    role = f"reader_{address.path.removeprefix('/')}_{next(_NUMBERS)}"
    owner = await asyncpg.connect(database_url)
    await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    async with open_engine(database_url) as engine:
        await grant_reader(engine, role, Actor("test"))
    url = urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2]))
    connection = await asyncpg.connect(url, user=role, password="secret")
    try:
        yield connection
    finally:
        await connection.close()
        await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await owner.close()
