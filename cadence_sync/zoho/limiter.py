"""An adaptive limit of concurrent requests: additive increase, multiplicative decrease, as in TCP.

Zoho allows 5 to 25 concurrent calls per organization, depending on its edition, and counts those of other programs
too, so the right number cannot be known beforehand.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Limiter:
    """Admits `limit` requests at once; the limit is between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._inside = 0
        self._changed = asyncio.Condition()

    @property
    def limit(self) -> int:
        return int(self._limit)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < self.limit)
            self._inside += 1
        try:
            yield
        finally:
            async with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def refused(self) -> None:
        self._limit = max(1.0, self._limit / 2)

    def succeeded(self) -> None:
        """Raises the limit by one for every full round of responses."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)
