import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from cadence_sync.simulator.faults import Fault
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.support import cli
from tests.support.records import listing


@dataclass
class Program:
    """The installed command in an empty folder, against one Zoho and one database."""

    cwd: Path
    settings: dict[str, str | None]

    async def run(self, *arguments: str, typed: str | None = None, **changes: str | None) -> cli.Result:
        return await cli.run(*arguments, cwd=self.cwd, typed=typed, **(self.settings | changes))

    async def start(self, *arguments: str, **changes: str | None) -> asyncio.subprocess.Process:
        return await cli.start(*arguments, cwd=self.cwd, **(self.settings | changes))

    async def on_a_terminal(self, *arguments: str) -> list[str]:
        """Return the lines that a terminal gets, errors and notes included."""
        return await cli.on_a_terminal(*arguments, cwd=self.cwd, **self.settings)


@dataclass
class PlainZoho:
    """A server of fewest lines: a token, and whatever body the test puts in."""

    url: str
    body: bytes = listing([])
    status: int = 200
    token: str = "t"


@pytest.fixture
async def simulator() -> Simulator:
    return Simulator(cadences=25, clock=SystemClock().now)


@pytest.fixture
async def program(simulator: Simulator, database_url: str, tmp_path: Path) -> AsyncIterator[Program]:
    async with running(simulator) as url:
        yield Program(tmp_path, cli.zoho_settings(url, DATABASE_URL=database_url))


KEY = "q6Zt0yJmYh3cVfLkW8sRb1nXe5uDg7aPo2iTj4lKvE0="  # random: any other would be stretched, which takes time


@pytest.fixture
async def agencys_zoho() -> Simulator:
    return Simulator(orgs=4, cadences=3, clock=SystemClock().now)


@pytest.fixture
async def agency(agencys_zoho: Simulator, database_url: str, tmp_path: Path) -> AsyncIterator[Program]:
    """A program whose settings name a client and a key, but no organization."""
    async with running(agencys_zoho) as url:
        settings = cli.zoho_settings(url, DATABASE_URL=database_url, ZOHO_REFRESH_TOKEN=None, ENCRYPTION_KEYS=KEY)
        yield Program(tmp_path, settings)


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the commands that follow these variables, besides the settings."""
    plain = cli.environment

    def give(**variables: str) -> None:
        monkeypatch.setattr(cli, "environment", lambda **settings: plain(**settings) | variables)

    return give


@pytest.fixture
async def plain_zoho(program: Program) -> AsyncIterator[PlainZoho]:
    """A plain server that the program uses instead of the simulator."""

    async def token(_request: web.Request) -> web.Response:
        return web.json_response({"access_token": zoho.token, "token_type": "Bearer", "expires_in": 3600})

    async def cadences(_request: web.Request) -> web.Response:
        return web.Response(body=zoho.body, status=zoho.status, content_type="application/json")

    app = web.Application()
    app.router.add_post("/oauth/v2/token", token)
    app.router.add_get("/crm/v7/settings/automation/cadences", cadences)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    zoho = PlainZoho(f"http://{host}:{port}")
    program.settings |= {"ZOHO_API_URL": zoho.url, "ZOHO_ACCOUNTS_URL": zoho.url}
    yield zoho
    await runner.cleanup()


def fault(kind: str, **how: object) -> Fault:
    return Fault(kind, **how)  # type: ignore[arg-type]


class Screen(io.StringIO):
    """A terminal that remembers what is printed."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue()).splitlines()


@pytest.fixture
def screen_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Screen]:
    def make(columns: int) -> Screen:
        monkeypatch.setattr("sys.stdout", screen := Screen())
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        return screen

    return make
