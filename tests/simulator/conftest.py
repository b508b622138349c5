from collections.abc import AsyncIterator

import aiohttp
import pytest

from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from tests.simulator.client import Caller, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sim(clock: Clock) -> Simulator:
    return Simulator(orgs=2, cadences=25, seed=7, clock=clock)


@pytest.fixture
async def caller(sim: Simulator) -> AsyncIterator[Caller]:
    async with running(sim) as base, aiohttp.ClientSession() as session:
        made = Caller(session, base)
        await made.sign_in()
        yield made
