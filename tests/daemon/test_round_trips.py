"""What a poll that finds nothing new asks of the database, counted on the wire."""

import pytest

from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import Settings
from cadence_sync.db.engine import PoolSize, open_engine
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.support.wire import counted

POLLS = 20
MOST = 4


@pytest.mark.parametrize("alert_urls", [None, "json://127.0.0.1:9"], ids=["silent", "with alerts"])
async def test_a_poll_without_a_change_costs_few_round_trips(database_url: str, alert_urls: str | None) -> None:
    simulator = Simulator(cadences=50, clock=wiring.SystemClock().now)
    known = credentials(0)
    async with (
        running(simulator) as zoho,
        counted(database_url) as (url, wire),
        open_engine(url, PoolSize.of_daemon(2, direct=True), direct=True) as engine,
    ):
        org = OrgConfig("default", "us", known.client_id, known.client_secret, known.refresh_token, zoho, zoho)
        async with wiring.sync_factory(Settings.model_validate({"alert_urls": alert_urls}), engine) as sync_of:

            async def poll() -> None:
                report = await sync_of(org).run("test")
                assert report.error is None
                assert report.counters is not None
                assert report.counters.seen == 50

            for _ in range(3):
                await poll()
            asked = wire.asked
            for _ in range(POLLS):
                await poll()
    assert 0 < (wire.asked - asked) / POLLS <= MOST
