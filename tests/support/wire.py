"""A connection to Postgres that is looked at on its way: how often a client waits for the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

ASKS: Final = {b"Q", b"S", b"H"}
"""Messages after which a client waits: Query, Sync, Flush."""


class Wire:
    """Passes bytes on between a client and the server, and counts how often the client waits."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = parts.path
        self.host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
        self.port = parts.port or 5432
        self.user = parts.username or "postgres"
        self.asked = 0
        self.tasks: set[asyncio.Task[None] | None] = set()
        self.frozen = False
        """Whether nothing comes back any more, as where a firewall forgot a connection that nobody ended."""

    async def handle(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        socket = Path(self.host) / f".s.PGSQL.{self.port}"
        is_socket = socket.exists()
        server, writer = await (
            asyncio.open_unix_connection(str(socket)) if is_socket else asyncio.open_connection(self.host, self.port)
        )
        back = asyncio.create_task(self._copy(server, answer))
        try:
            first = await client.readexactly(4)
            writer.write(first + await client.readexactly(int.from_bytes(first) - 4))
            while True:
                kind, size = await client.readexactly(1), await client.readexactly(4)
                self.asked += kind in ASKS
                writer.write(kind + size + await client.readexactly(int.from_bytes(size) - 4))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            await asyncio.wait({back})

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(2**16):
            if not self.frozen:
                target.write(data)
        target.close()

    async def close(self) -> None:
        """Wait until both ends of each connection are closed."""
        tasks = {task for task in self.tasks if task is not None}
        if tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[tuple[str, Wire]]:
    """Yield an address that leads to the same database, and what counts there."""
    wire = Wire(url)
    async with serving_wire(wire) as address:
        yield address, wire


@asynccontextmanager
async def serving_wire(wire: Wire) -> AsyncIterator[str]:
    server = await asyncio.start_server(wire.handle, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"postgresql://{wire.user}:unused@{host}:{port}{wire.name}?sslmode=disable"
        await wire.close()
