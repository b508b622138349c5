"""`Simulator`: everything that the simulated hosts know, and what can be done to it while they run."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from cadence_sync.simulator import edits
from cadence_sync.simulator.edits import Edit, EditError
from cadence_sync.simulator.faults import FaultQueue
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.tokens import TokenService

_KEPT = 10_000
_PLAIN = frozenset({"page", "per_page", "module", "name", "active", "fields"})


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request; `status` is None where the connection was broken off, `query` values may be masked."""

    at: datetime
    kind: str
    method: str
    path: str
    query: dict[str, str]
    status: int | None
    user_agent: str
    org: int | None


class RequestLog:
    """The latest requests and how many there were of each kind; those to the control are left out."""

    def __init__(self) -> None:
        self.requests: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()

    def note(self, entry: LoggedRequest) -> None:
        """Add a request that was answered."""
        self.requests.append(entry)
        self.counts[entry.kind] += 1

    def clear(self) -> None:
        """Start counting afresh."""
        self.requests.clear()
        self.counts.clear()


def kind_of(request: web.BaseRequest) -> str:
    """Return `token`, `list`, `one`, `control` or `other`."""
    path = request.path
    if path.startswith("/_simulator/"):
        return "control"
    if path == "/oauth/v2/token":
        return "token"
    if path.startswith("/crm/") and path.endswith("/settings/automation/cadences"):
        return "list"
    return "one" if path.startswith("/crm/") and "/settings/automation/cadences/" in path else "other"


def plain_query(request: web.BaseRequest) -> dict[str, str]:
    """Return the query; values of parameters that the cadences API does not know may be secrets."""
    return {key: value if key in _PLAIN else "***" for key, value in request.query.items()}


class Simulator:
    """So many made-up organizations of so many cadences each; the same seed makes the same ones.

    `clock` returns the present in UTC. It decides when access tokens expire and dates the edits.
    """

    def __init__(
        self,
        orgs: int = 1,
        cadences: int = 25,
        seed: int = 7,
        *,
        clock: Callable[[], datetime],
        settings: SimulatorSettings | None = None,
    ) -> None:
        self.clock = clock
        self.settings = settings or SimulatorSettings()
        self.orgs = [SimOrg(seed, index, cadences) for index in range(orgs)]
        self.tokens = TokenService(orgs, seed, self.settings, clock)
        self.faults = FaultQueue()
        self.journal = RequestLog()
        self.rng = random.Random(f"{seed}/edits")
        self.calls = [0] * orgs
        """API calls so far per organization: what its credits are spent on."""
        self.in_flight = [0] * orgs
        self.settings_changed = asyncio.Event()

    def org(self, index: int) -> SimOrg:
        """Return an organization by its number from 0; raises `EditError` if there is none."""
        if not 0 <= index < len(self.orgs):
            raise EditError(f"no organization {index}: there are {len(self.orgs)}, counted from 0")
        return self.orgs[index]

    def edit(self, count: int = 1, org: int = 0) -> list[Edit]:
        """Make edits at random, now."""
        return edits.make_random_edits(self.org(org), count, self.clock(), self.rng)

    def edit_one(self, kind: str, cadence_id: str | None = None, org: int = 0) -> Edit:
        """Make one edit of this kind, now; raises `EditError` where it does not fit."""
        return edits.make_random_edit(self.org(org), kind, self.clock(), self.rng, cadence_id)

    def change_settings(self, **changes: object) -> None:
        """Change settings by name; raises ValueError and changes nothing if one does not fit."""
        self.settings.update(changes)
        self.settings_changed.set()

    async def wait(self) -> None:
        """Let an answer take as long as the settings say."""
        if self.settings.latency:
            await asyncio.sleep(self.settings.latency)
