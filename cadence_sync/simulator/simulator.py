"""`Simulator`: state and control of the simulated hosts, and who sent a request."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import msgspec
from aiohttp import web

from cadence_sync.simulator import edits
from cadence_sync.simulator.edits import Edit, EditError
from cadence_sync.simulator.faults import FaultQueue
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.replies import ZohoError
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.tokens import TokenService

_SCHEME = "Zoho-oauthtoken "


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request; `status` is None after a broken connection, `query` values may be masked."""

    at: datetime
    kind: str
    method: str
    path: str
    query: dict[str, str]
    status: int | None
    user_agent: str
    org: int | None


class RequestLog:
    """The latest requests and their number by kind, without those to `/_simulator/`."""

    def __init__(self) -> None:
        self.requests: deque[LoggedRequest] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()

    def note(self, entry: LoggedRequest) -> None:
        self.requests.append(entry)
        self.counts[entry.kind] += 1

    def clear(self) -> None:
        self.requests.clear()
        self.counts.clear()


class Simulator:
    """Made-up organizations of equal size; the same seed makes the same ones.

    `clock` returns the time in UTC; it dates edits and expires access tokens.
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
        """API calls so far per organization, each of which costs a credit."""
        self.in_flight = [0] * orgs
        self.settings_changed = asyncio.Event()

    def org(self, index: int) -> SimOrg:
        """Returns an organization by its number from 0; raises `EditError` if it does not exist."""
        if not 0 <= index < len(self.orgs):
            raise EditError(f"no organization {index}: there are {len(self.orgs)}, counted from 0")
        return self.orgs[index]

    def edit(self, count: int = 1, org: int = 0) -> list[Edit]:
        return edits.make_random_edits(self.org(org), count, self.clock(), self.rng)

    def edit_one(self, kind: str, cadence_id: str | None = None, org: int = 0) -> Edit:
        """Makes one edit of this kind; raises `EditError` if it does not fit."""
        return edits.make_random_edit(self.org(org), kind, self.clock(), self.rng, cadence_id)

    def change_settings(self, **changes: object) -> None:
        """Changes settings by name, all or none; raises `ValueError` for unknown names and wrong values."""
        if unknown := sorted(set(changes) - {field.name for field in fields(SimulatorSettings)}):
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        changed = msgspec.convert(asdict(self.settings) | changes, SimulatorSettings)
        for name in changes:
            setattr(self.settings, name, getattr(changed, name))
        self.settings_changed.set()

    async def wait(self) -> None:
        if self.settings.latency:
            await asyncio.sleep(self.settings.latency)


SIMULATOR = web.AppKey("simulator", Simulator)


def authorized(request: web.Request) -> SimOrg:
    """Returns the organization of the access token; raises `ZohoError` with status 401."""
    header = request.headers.get("Authorization", "")
    if not header.startswith(_SCHEME):
        raise ZohoError("AUTHENTICATION_FAILURE")
    simulator = request.app[SIMULATOR]
    index = simulator.tokens.org_of(header.removeprefix(_SCHEME))
    if index is None:
        raise ZohoError("INVALID_TOKEN")
    return simulator.orgs[index]


async def find_org(request: web.Request) -> SimOrg | None:
    if request.method == "POST":
        refresh_token = (await request.post()).get("refresh_token")
        simulator = request.app[SIMULATOR]
        index = simulator.tokens.orgs.get(refresh_token) if isinstance(refresh_token, str) else None
        return None if index is None else simulator.orgs[index]
    try:
        return authorized(request)
    except ZohoError:
        return None
