"""How often a wrong token may be tried: by one client, and by all together."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from cadence_sync.ports import Clock

WINDOW: Final = 300.0
"""Seconds for which a failure counts."""
PER_CLIENT: Final = 10
IN_ALL: Final = 100
CLIENTS: Final = 1000
"""Clients whose failures are remembered; the global limit holds for whoever is forgotten."""


@dataclass(slots=True)
class Limits:
    """Counts failures in a sliding window."""

    clock: Clock
    _all: deque[float] = field(default_factory=deque)
    _clients: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, client: str) -> float:
        """Return the seconds until this client may try again; 0 for now."""
        now = self.clock.monotonic()
        own = self._clients.get(client, deque())
        return max(_wait(own, PER_CLIENT, now), _wait(self._all, IN_ALL, now))

    def fail(self, client: str) -> None:
        """Count a wrong token."""
        now = self.clock.monotonic()
        own = self._clients.setdefault(client, deque(maxlen=PER_CLIENT))
        self._clients.move_to_end(client)
        own.append(now)
        self._all.append(now)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)


def _wait(failures: deque[float], most: int, now: float) -> float:
    while failures and failures[0] <= now - WINDOW:
        failures.popleft()
    return failures[len(failures) - most] + WINDOW - now if len(failures) >= most else 0.0
