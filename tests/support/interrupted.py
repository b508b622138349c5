"""A sync that is caught in the middle of its listing."""

import asyncio
from typing import Protocol

from cadence_sync.simulator.simulator import Simulator
from tests.support.cli import PATIENCE


class Starts(Protocol):
    async def start(self, *arguments: str) -> asyncio.subprocess.Process: ...


async def fetching(program: Starts, simulator: Simulator, seconds: float) -> asyncio.subprocess.Process:
    """Start a sync and return it when Zoho has its question; the answer takes so long, all later ones none."""
    before = simulator.in_flight[0]
    simulator.change_settings(latency=seconds)
    process = await program.start("sync", "--json")
    async with asyncio.timeout(PATIENCE):
        while simulator.in_flight[0] == before:
            assert process.returncode is None
            await asyncio.sleep(0.01)
    simulator.change_settings(latency=0.0)
    return process


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Return the exit code of a process that ends by itself, and what it printed."""
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    return process.returncode, out.decode()
