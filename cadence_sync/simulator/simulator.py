"""`Simulator`: everything that the simulated hosts know, and what can be done to it while they run."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

from cadence_sync.simulator import random_edits
from cadence_sync.simulator.edits import Edit, EditError
from cadence_sync.simulator.faults import FaultQueue
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.request_log import RequestLog
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.tokens import TokenService


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
        return random_edits.make_random_edits(self.org(org), count, self.clock(), self.rng)

    def edit_one(self, kind: str, cadence_id: str | None = None, org: int = 0) -> Edit:
        """Make one edit of this kind, now; raises `EditError` where it does not fit."""
        return random_edits.make_random_edit(self.org(org), kind, self.clock(), self.rng, cadence_id)

    def change_settings(self, **changes: object) -> None:
        """Change settings by name; raises ValueError and changes nothing if one does not fit."""
        self.settings.update(changes)
        self.settings_changed.set()

    async def wait(self) -> None:
        """Let an answer take as long as the settings say."""
        if self.settings.latency:
            await asyncio.sleep(self.settings.latency)
