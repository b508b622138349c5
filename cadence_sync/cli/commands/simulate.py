"""`simulate`: a double of Zoho that runs until it is stopped, and says how to use it."""

import asyncio
from dataclasses import dataclass

from cadence_sync.cli.program import program_name
from cadence_sync.errors import SettingsError
from cadence_sync.simulator.server import running
from cadence_sync.simulator.settings import SimulatorSettings as Behavior
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from cadence_sync.wiring import SystemClock


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What to simulate; times in seconds."""

    port: int
    orgs: int
    cadences: int
    seed: int
    edit_every: float
    latency: float


async def simulate_command(scene: SimulationOptions) -> None:
    """Serve until canceled."""
    behavior = Behavior(latency=scene.latency, edit_every=scene.edit_every or None)
    simulator = Simulator(scene.orgs, scene.cadences, scene.seed, clock=SystemClock().now, settings=behavior)
    try:
        async with running(simulator, port=scene.port) as url:
            print(_instructions(scene, url), flush=True)
            await asyncio.Event().wait()
    except OSError as error:
        raise SettingsError(f"Port {scene.port} on 127.0.0.1 is taken.", hint="Choose another with --port.") from error


def _instructions(scene: SimulationOptions, url: str) -> str:
    first, program = credentials(0), program_name()
    more = (
        f"Organization number n (from 0) has the refresh token {first.refresh_token.removesuffix('0')}n.\n"
        if scene.orgs > 1
        else ""
    )
    return (
        f"Zoho is simulated at {url}: {scene.orgs} organization(s) of {scene.cadences} cadences. Ctrl-C stops it.\n"
        f"{more}In another terminal:\n\n"
        f"export CADENCE_SYNC_ZOHO_API_URL={url}\n"
        f"export CADENCE_SYNC_ZOHO_ACCOUNTS_URL={url}\n"
        f"export CADENCE_SYNC_ZOHO_CLIENT_ID={first.client_id}\n"
        f"export CADENCE_SYNC_ZOHO_CLIENT_SECRET={first.client_secret}\n"
        f"export CADENCE_SYNC_ZOHO_REFRESH_TOKEN={first.refresh_token}\n"
        f"{program} migrate && {program} sync\n\n"
        "Change something there, and sync again:\n\n"
        f"curl {url}/_simulator/edits -d '{{\"count\": 3}}'"
    )
