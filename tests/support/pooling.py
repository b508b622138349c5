"""A connection on which the client is told a made-up number of its backend, as by a pooler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.wire import Wire, serving_wire


class PoolerWire(Wire):
    """Each client keeps its backend, so that tests see what it leaves there."""

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            kind = b""
            while kind != b"K":  # BackendKeyData
                kind, size = await source.readexactly(1), await source.readexactly(4)
                body = await source.readexactly(int.from_bytes(size) - 4)
                target.write(kind + size + (b"\x01\x02\x03\x04" + body[4:] if kind == b"K" else body))
        except asyncio.IncompleteReadError:
            pass
        await super()._copy(source, target)


@asynccontextmanager
async def pooled(url: str) -> AsyncIterator[str]:
    """Yield an address that leads to the same database."""
    async with serving_wire(PoolerWire(url)) as address:
        yield address
