"""Bounds on connections: how many there may be, how long a request's head may take, how long a client may read nothing.

Every protocol of aiohttp is wrapped in one that only watches. Where there are too many connections, the one that has
been useless for longest goes: so those who hold many shut out nobody else.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final, cast

if sys.platform != "win32":  # which has no such limit
    import resource

KEEPALIVE: Final = 30.0
"""Seconds that a connection may stay open between two requests."""
HEAD_SECONDS: Final = 10.0
"""For the head of a request, from its first byte; for the first one from the connection's beginning."""
STALLED_SECONDS: Final = 30.0
"""Without the client reading a byte of what waits for it."""
SLOW_SECONDS: Final = 2.0
"""After which a client that reads nothing makes room for others."""
MOST: Final = 1000
PER_CLIENT: Final = 100
_SWEEP: Final = 1.0
_RESERVE: Final = 128
"""Files that the rest of the process needs: databases, Zoho, logs."""
_WANTED_FILES: Final = 65536
_ONCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    most: int = MOST
    per_client: int = PER_CLIENT


def raise_file_limit() -> Bounds:
    """Raises this process's limit of open files as far as it may, and returns what then fits."""
    if sys.platform == "win32":
        return Bounds()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
        if wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        most = max(16, min(MOST, (soft - _RESERVE) // 2))
        return Bounds(most, max(8, min(PER_CLIENT, most // 2)))
    return Bounds()


class Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol, and notes what happens when."""

    def __init__(self, connections: "Connections", inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self.transport: asyncio.Transport | None = None
        self.client = ""
        self.requests = 0
        """Under way; a request that is pipelined waits."""
        self.head_since: float | None = None
        self.idle_since = 0.0
        self._unread = (0, 0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if isinstance(peer, tuple) else ""
        self.head_since = self.idle_since = time.monotonic()
        self._inner.connection_made(transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self.requests == 0 and self.head_since is None:
            self.head_since = time.monotonic()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        self._inner.connection_lost(exc)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Surrounds the answer to a request."""
        self.requests += 1
        self.head_since = None
        try:
            yield
        finally:
            self.requests -= 1
            self.idle_since = time.monotonic()

    def useless_seconds(self, now: float) -> float:
        """Returns how long nobody has asked for anything here, or read anything of what they asked for."""
        stalled = self._stalled_seconds(now)
        if stalled is not None:
            return stalled - SLOW_SECONDS
        return 0.0 if self.requests else now - self.idle_since

    def is_overdue(self, now: float) -> bool:
        if self.head_since is not None and now - self.head_since > HEAD_SECONDS:
            return True
        return (self._stalled_seconds(now) or 0) > STALLED_SECONDS

    def _stalled_seconds(self, now: float) -> float | None:
        """Returns how long the client has read nothing of what waits for it; None where nothing waits."""
        unread = 0 if self.transport is None else self.transport.get_write_buffer_size()
        if unread != self._unread[0]:
            self._unread = unread, now
        return now - self._unread[1] if unread else None

    def drop(self) -> None:
        """Ends the connection now: what the client did not read is lost."""
        if self.transport is not None:
            self.transport.abort()
        self._connections.remove(self)


@dataclass(slots=True)
class Connections:
    bounds: Bounds
    is_exempt: Callable[[str], bool]
    """Whether an address may have any number of connections, such as a proxy's."""
    _open: dict[asyncio.BaseTransport, Connection] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def around(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], Connection]:
        """Returns a factory of protocols for `loop.create_server`, over the one of aiohttp."""
        return lambda: Connection(self, factory())

    def add(self, connection: Connection) -> None:
        if connection.transport is None:
            return
        others = list(self._open.values())
        theirs = [each for each in others if each.client == connection.client]
        self._open[connection.transport] = connection
        if len(theirs) >= self.bounds.per_client and not self.is_exempt(connection.client):
            has_room = self._make_room(theirs)
        else:
            has_room = len(others) < self.bounds.most or self._make_room(others)
        if not has_room:
            connection.drop()

    def remove(self, connection: Connection) -> None:
        if connection.transport is not None:
            self._open.pop(connection.transport, None)

    def of(self, transport: asyncio.BaseTransport | None) -> Connection | None:
        return None if transport is None else self._open.get(transport)

    def _make_room(self, among: Sequence[Connection]) -> bool:
        """Drops the one that has been useless for longest; returns whether there is any."""
        now = time.monotonic()
        longest = max(among, key=lambda each: each.useless_seconds(now))
        if longest.useless_seconds(now) <= 0:
            return False
        longest.drop()
        return True

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[None]:
        """Drops overdue connections meanwhile, and every one at the end."""
        task = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            task.cancel()
            for each in list(self._open.values()):
                each.drop()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = time.monotonic()
            for each in [each for each in self._open.values() if each.is_overdue(now)]:
                each.drop()


class OncePerMinute(logging.Filter):
    """Lets one record of a kind through in a minute: where files run out, asyncio logs each connection it refuses."""

    def __init__(self, beginning: str) -> None:
        super().__init__()
        self._beginning = beginning
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(self._beginning):
            return True
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _ONCE
        return True
