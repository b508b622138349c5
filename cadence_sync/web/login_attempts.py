"""How often a client has sent a wrong token of late. The right one is never refused: whoever has it is no guesser."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import web

from cadence_sync.ports import Clock

WINDOW: Final = 300.0
"""Seconds for which a failure counts."""
PER_CLIENT: Final = 10
PENALTY: Final = 1.0
"""Seconds that the answer to one wrong token more takes."""
CLIENTS: Final = 1000
"""Clients whose failures are remembered."""
_IPV6_HOME: Final = 64
"""Bits of an IPv6 address that one customer's network has in common."""


@dataclass(slots=True)
class LoginAttempts:
    """Counts wrong tokens in a sliding window, by client: an IPv4 address, or the /64 of an IPv6 one."""

    clock: Clock
    _clients: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def fail(self, client: str) -> int:
        """Returns the number of failures of a client in the window, this one included; `PER_CLIENT` + 1 at most."""
        now, name = self.clock.monotonic(), client_network(client)
        own = self._clients.setdefault(name, deque(maxlen=PER_CLIENT + 1))
        self._clients.move_to_end(name)
        while own and own[0] <= now - WINDOW:
            own.popleft()
        own.append(now)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return len(own)

    def wait(self, client: str) -> float:
        """Returns the seconds until a client's failures are few enough again."""
        own = self._clients.get(client_network(client), deque[float]())
        return own[-PER_CLIENT] + WINDOW - self.clock.monotonic() if len(own) >= PER_CLIENT else 0.0


def client_network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped is not None else str(ip_network((int(found), _IPV6_HOME), strict=False))
    return str(found)


LOGIN_ATTEMPTS: Final = web.AppKey("login_attempts", LoginAttempts)
