"""`simulate`: a double of Zoho that runs until it is stopped, and says how to use it."""

import asyncio
from typing import Annotated

import typer

from cadence_sync.cli.options import examples, new_app
from cadence_sync.cli.runtime import program_name, run
from cadence_sync.errors import SettingsError
from cadence_sync.simulator.server import running
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from cadence_sync.wiring import SystemClock

app = new_app()


@app.command(
    epilog=examples("cadence-sync simulate", "cadence-sync simulate --port 8787 --cadences 400 --edit-every 5")
)
def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8787,
    orgs: Annotated[int, typer.Option(min=1, help="How many organizations.")] = 1,
    cadences: Annotated[int, typer.Option(min=0, help="How many cadences each.")] = 25,
    seed: Annotated[int, typer.Option(help="The same number makes the same organizations.")] = 7,
    edit_every: Annotated[float, typer.Option(min=0, help="Seconds between edits; 0 for none.")] = 0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that every answer takes.")] = 0,
) -> None:
    behavior = SimulatorSettings(latency=latency, edit_every=edit_every or None)
    simulator = Simulator(orgs, cadences, seed, clock=SystemClock().now, settings=behavior)
    run(_serve(simulator, port, f"{orgs} organization(s) of {cadences} cadences", several=orgs > 1))


async def _serve(simulator: Simulator, port: int, what: str, *, several: bool) -> None:
    try:
        async with running(simulator, port=port) as url:
            print(_instructions(url, what, several=several), flush=True)
            await asyncio.Event().wait()
    except OSError as error:
        raise SettingsError(f"Port {port} on 127.0.0.1 is taken.", hint="Choose another with --port.") from error


def _instructions(url: str, what: str, *, several: bool) -> str:
    first, program = credentials(0), program_name()
    more = f"Organization number n (from 0) has the refresh token {first.refresh_token.removesuffix('0')}n.\n"
    return (
        f"Zoho is simulated at {url}: {what}. Ctrl-C stops it.\n"
        f"{more if several else ''}In another terminal:\n\n"
        f"export CADENCE_SYNC_ZOHO_API_URL={url}\n"
        f"export CADENCE_SYNC_ZOHO_ACCOUNTS_URL={url}\n"
        f"export CADENCE_SYNC_ZOHO_CLIENT_ID={first.client_id}\n"
        f"export CADENCE_SYNC_ZOHO_CLIENT_SECRET={first.client_secret}\n"
        f"export CADENCE_SYNC_ZOHO_REFRESH_TOKEN={first.refresh_token}\n"
        f"{program} migrate && {program} sync\n\n"
        "Change something there, and sync again:\n\n"
        f"curl {url}/_simulator/edits -d '{{\"count\": 3}}'"
    )
