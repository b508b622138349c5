from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import stamina

from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock


@dataclass(frozen=True)
class Zoho:
    """A running simulator and its address."""

    simulator: Simulator
    url: str

    def strike(self, kind: str, **how: object) -> None:
        self.simulator.faults.add(Fault(kind, **how))  # type: ignore[arg-type]


@pytest.fixture
async def zoho() -> AsyncIterator[Zoho]:
    simulator = Simulator(cadences=25, clock=SystemClock().now)
    async with running(simulator) as url:
        yield Zoho(simulator, url)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Attempts follow each other at once; how many there are stays as it is set."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
