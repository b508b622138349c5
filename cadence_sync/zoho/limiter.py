"""How many requests may be under way at once: fewer when Zoho asks for fewer, slowly more when it does not.

Zoho allows 5 to 25 concurrent calls per organization, by edition, and counts those of other programs too, so
the right number cannot be known beforehand. Halving on refusal and growing by one per full round of successes
is the rule by which TCP finds its share.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Limiter:
    """Admits as many at once as its limit says; the limit lies between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._inside = 0
        self._changed = asyncio.Condition()

    @property
    def limit(self) -> int:
        """How many are admitted at once now."""
        return int(self._limit)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the places."""
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
        """Halve the limit: Zoho asked for fewer requests."""
        self._limit = max(1.0, self._limit / 2)

    def succeeded(self) -> None:
        """Raise the limit by one for every full round of answers."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)
