"""Whether this process still works, and whether it is ready; both are found out at our pace, not at that of probes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from cadence_sync.db.engine import Engine, autocommit, ping
from cadence_sync.errors import CadenceSyncError
from cadence_sync.logs import log, log_and_continue
from cadence_sync.ports import Clock

TICK: Final = 30.0
"""Seconds between two looks at the pool."""
STARVED: Final = 900.0
"""Seconds without a free connection after which this process counts as stuck: longer than any statement may take."""
CHECKOUT_TIMEOUT: Final = 60.0
"""Seconds for one look; a connection without another end may never answer."""
FRESH: Final = 1.0
"""Seconds for which one answer serves all who ask whether this process is ready."""


@dataclass(slots=True)
class Liveness:
    """Notices a process that only a restart helps.

    A restart does not help where the database is away. So the pool counts as starved only while the database answers
    over a connection that is not of the pool. The web UI's pool does not count: no page may end running syncs.
    """

    engine: Engine
    url: str
    """The engine's."""
    clock: Clock
    has_stopped: Callable[[], bool]
    """Whether a task has ended that must run as long as the process does."""
    _starved_since: float | None = None

    def failure(self) -> str | None:
        if self.has_stopped():
            return "the worker has ended"
        if self._starved_since is not None and self.clock.monotonic() - self._starved_since >= STARVED:
            return "no connection of the pool has become free"
        return None

    def is_alive(self) -> bool:
        return self.failure() is None

    async def watch(self) -> None:
        """Looks at the pool until canceled."""
        while True:
            with log_and_continue("liveness_unknown"):
                await self.look()
            await asyncio.sleep(TICK)

    async def look(self) -> None:
        if not await self._is_starved():
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = self.clock.monotonic()
            log.warning("pool_starved", error="no connection became free, although the database answers")

    async def _is_starved(self) -> bool:
        try:
            async with asyncio.timeout(CHECKOUT_TIMEOUT), autocommit(self.engine):
                return False
        except TimeoutError:
            pass
        except CadenceSyncError as error:
            if error.code != "DATABASE_BUSY":
                return False  # the database refuses connections, or is away
        try:
            await ping(self.url)
        except CadenceSyncError:
            return False
        return True


@dataclass(slots=True)
class Readiness:
    """Answers any number of requests with one check a second, since those who ask are anonymous."""

    check: Callable[[], Awaitable[str | None]]
    """Returns what is missing, or None."""
    clock: Clock
    _missing: str | None = None
    _checked_at: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def missing(self) -> str | None:
        async with self._lock:
            if self._checked_at is None or self.clock.monotonic() - self._checked_at >= FRESH:
                self._missing = await self.check()
                self._checked_at = self.clock.monotonic()
            return self._missing
