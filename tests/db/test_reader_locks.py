"""A reader holds all that its privileges allow, and nothing of ours waits for it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from cadence_sync.db import orgs
from cadence_sync.db.alert_delivery import AlertDelivery
from cadence_sync.db.cipher import Cipher
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.db.engine import LOCK_ORG
from cadence_sync.db.migrate import migrate
from cadence_sync.db.pruning import prune
from cadence_sync.db.queue import direct, is_led, try_acquire_leadership
from cadence_sync.db.redaction import redact_person
from cadence_sync.db.revision import HEAD
from cadence_sync.db.tokens import TokenTable
from cadence_sync.errors import OrgBusyError
from cadence_sync.ports import Actor
from tests.support.lab import ORG, Lab, WrittenSource
from tests.support.reader import reader
from tests.support.records import listing, record

KEYS = ("cadence_sync/default", "cadence_sync/leader", "cadence_sync/token/default", "cadence_sync/alerts/hook")
MIGRATION_KEY = 5203881477310421
VIEWS = "SELECT format('cadence_reporting.%I', viewname) AS view FROM pg_views WHERE schemaname = 'cadence_reporting'"
TWELVE = [record(str(number)) for number in range(12)]
PAT = "3652397000000186017"


@pytest.fixture
async def stranger(lab: Lab, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A reader with every lock that it can have, in a transaction that stays open."""
    for records in (TWELVE, TWELVE, TWELVE[6:]):
        await lab.sync(*records)
    async with reader(database_url) as stranger:
        for key in KEYS:
            await stranger.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", key)
        await stranger.execute("SELECT pg_advisory_lock($1)", MIGRATION_KEY)
        await stranger.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        for row in await stranger.fetch(VIEWS):
            await stranger.execute(f"LOCK TABLE {row['view']} IN ACCESS SHARE MODE")
            await stranger.fetch(f"SELECT * FROM {row['view']} LIMIT 1")
        yield stranger


@pytest.mark.usefixtures("stranger")
async def test_nothing_waits_for_a_reader(lab: Lab, database_url: str) -> None:
    async with asyncio.timeout(9):  # a writer waits for a lock for ten seconds
        assert (await lab.sync(*TWELVE[6:])).exit_code == 6
        assert (await review_deletions(lab.engine, 3, "approved", Actor("ana")))[1] == 6
        renamed = [record("6", name="New"), *TWELVE[7:]]
        report = await lab.sync(*renamed)
        assert (report.exit_code, report.counters and report.counters.deleted) == (0, 6)
        assert (await lab.sync(*renamed)).exit_code == 0
        await orgs.set_enabled(lab.engine, ORG.org_id, Actor("ana"), enabled=True)
        assert await redact_person(lab.engine, ORG.org_id, PAT, Actor("ana")) is not None
        assert (await prune(lab.engine, lab.clock.time + timedelta(days=30), timedelta(days=1))).busy == 0
        async with TokenTable(lab.engine, Cipher(["key"]), ORG.org_id, b"print", 60).refreshing() as slot:
            assert slot.token is None
        await AlertDelivery(lab.engine).build_digest("hook", lab.clock.time)
        assert await migrate(lab.engine) == HEAD
        async with direct(database_url) as connection:
            assert await try_acquire_leadership(connection)
            assert await is_led(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM cadence_reporting.sync_runs FOR KEY SHARE",
        "SELECT 1 FROM cadence_reporting.current_cadences FOR UPDATE",
        "LOCK TABLE cadence_reporting.sync_runs IN ROW SHARE MODE",
        "LOCK TABLE cadence_reporting.sync_runs IN SHARE MODE",
        "LOCK TABLE cadence_sync.orgs IN ACCESS SHARE MODE",
        "LOCK TABLE cadence_sync.locks IN ACCESS SHARE MODE",
        "LOCK TABLE cadence_queue.leader IN ACCESS SHARE MODE",
        "LOCK TABLE cadence_sync.alembic_version IN ACCESS SHARE MODE",
    ],
)
async def test_a_reader_is_refused_every_lock_that_we_wait_for(database_url: str, statement: str) -> None:
    async with reader(database_url) as stranger, stranger.transaction():
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
            await stranger.execute(statement)


async def test_a_run_without_a_change_waits_for_what_locks_its_organization(lab: Lab) -> None:
    await lab.sync(record("1"))
    async with lab.engine.begin() as other:
        await other.execute(LOCK_ORG, {"org_id": ORG.org_id})
        syncing = asyncio.create_task(lab.sync(record("1")))
        await waiting(lab)
    assert (await syncing).exit_code == 0


async def test_a_run_without_a_change_that_waited_for_a_writer_is_superseded(lab: Lab) -> None:
    await lab.sync(record("1"))
    run = await lab.store.begin(ORG, "test", lab.clock.now())
    source = WrittenSource(listing([record("1")]), lab.clock)
    listed = source.listing(await lab.store.load_digests(ORG.org_id))
    other = await lab.store.begin(ORG, "test", lab.clock.now())
    async with lab.store.transaction(other, listed):
        finishing = asyncio.create_task(lab.store.finish_unchanged(run, listed, source.usage, lab.clock.now()))
        await waiting(lab)
    with pytest.raises(OrgBusyError):
        await finishing


async def waiting(lab: Lab) -> None:
    async with asyncio.timeout(9):
        while not await lab.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
