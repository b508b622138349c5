"""What a poll that finds nothing new asks of the database, counted on the wire."""

import asyncpg

from cadence_sync import wiring
from cadence_sync.db.engine import opened
from cadence_sync.orgs import OrgConfig
from cadence_sync.settings import Settings
from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import credentials
from tests.support.wire import counted

POLLS = 20
MOST = 4
MOST_WAL = 2048


async def test_a_poll_without_a_change_costs_few_round_trips_and_little_wal(database_url: str) -> None:
    simulator = Simulator(cadences=50, clock=wiring.SystemClock().now)
    known = credentials(0)
    async with running(simulator) as zoho, counted(database_url) as (url, wire), opened(url, 2) as engine:
        org = OrgConfig("default", "us", known.client_id, known.client_secret, known.refresh_token, zoho, zoho)
        watching = await asyncpg.connect(database_url)
        async with wiring.many_syncs(Settings(), engine) as sync_of:

            async def poll() -> None:
                report = await sync_of(org).run("test")
                assert report.error is None
                assert report.counters is not None
                assert report.counters.seen == 50

            for _ in range(3):
                await poll()
            asked, lsn = wire.asked, await watching.fetchval("SELECT pg_current_wal_insert_lsn()")
            for _ in range(POLLS):
                await poll()
            wal = await watching.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::bigint", lsn)
        await watching.close()
    assert 0 < (wire.asked - asked) / POLLS <= MOST
    assert 0 < wal / POLLS <= MOST_WAL
