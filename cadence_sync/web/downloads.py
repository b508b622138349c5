"""Downloads of any length: a few at once, and none for a client that does not read."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from aiohttp import web

from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import log
from cadence_sync.web.middleware import RefusedRequestError

DOWNLOADS: Final = web.AppKey("downloads", asyncio.Semaphore)
AT_ONCE: Final = 4
PATIENCE: Final = 5.0
"""Seconds that a download waits for another to end."""
RETRY_AFTER: Final = 30
"""Seconds."""
CHUNK: Final = 64 * 1024
CHUNK_TIMEOUT: Final = 30.0
"""Seconds that a client may take to read a chunk."""
TIMEOUT: Final = 900.0
"""Seconds that a whole download may take."""
_NO_LINGER: Final = struct.pack("HH" if os.name == "nt" else "ii", 1, 0)


@asynccontextmanager
async def exporting(request: web.Request) -> AsyncIterator[None]:
    """Lets a few downloads in at once; raises `RefusedRequestError` (503) where none of them ends in time."""
    slots = request.app[DOWNLOADS]
    try:
        async with asyncio.timeout(PATIENCE):
            await slots.acquire()
    except TimeoutError as error:
        raise RefusedRequestError(
            503, "Too many downloads are running.", "Try again in a minute.", {"Retry-After": str(RETRY_AFTER)}
        ) from error
    try:
        yield
    finally:
        slots.release()


async def send_parts(
    request: web.Request, response: web.StreamResponse, parts: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Sends the parts as they come; hangs up on a client that is too slow, and where a later part fails.

    An error before the first part is raised, and becomes a page. After that a page would be a part of the file: the
    client sees a download that was cut off.
    """
    try:
        async with asyncio.timeout(TIMEOUT), aclosing(parts):
            async for part in parts:
                await _write(request, response, part)
            async with asyncio.timeout(CHUNK_TIMEOUT):
                await response.write_eof()
    except ConnectionError:
        log.info("download_ended", path=request.path, error="the client hung up")
    except TimeoutError:
        _hang_up(request, "the client reads too slowly")
    except CadenceSyncError as error:
        if not response.prepared:
            raise
        _hang_up(request, error.message)
    except Exception as error:
        if response.prepared:
            _hang_up(request, type(error).__name__)
        raise
    return response


async def _write(request: web.Request, response: web.StreamResponse, part: bytes) -> None:
    if not response.prepared:
        await response.prepare(request)
    for start in range(0, len(part), CHUNK):
        async with asyncio.timeout(CHUNK_TIMEOUT):
            await response.write(part[start : start + CHUNK])


def _hang_up(request: web.Request, reason: str) -> None:
    log.warning("download_ended", path=request.path, error=reason)
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        # A reset: the system drops what is unsent, and the client does not take a part for the whole file.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    request.transport.abort()
