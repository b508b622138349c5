"""What a machine does to a sync: restarts, cut connections, full disks, poolers, backups. Debian's servers."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from cadence_sync.simulator.server import running
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.wiring import SystemClock
from tests.support import cli
from tests.support.interrupted import ended, fetching
from tests.support.invariants import broken, names, runs, version_count
from tests.support.shadows import CALLED, shadow
from tests.system.servers import POOLER_PORT, Server, fill, own_folder, pooler, postgres, small_disk

pytestmark = pytest.mark.system

_NUMBERS = count(1)
WAITING: Final = """SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'cadence-sync' AND wait_event_type = 'Lock' AND datname = current_database()"""
CUT: Final = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'cadence-sync' AND datname = current_database()"""
DATABASE_CODES: Final = {"DISK_FULL", "DATABASE_UNREACHABLE", "DATABASE_ERROR", "EMBEDDED_FAILED"}


@dataclass
class Place:
    """The installed command, one simulated Zoho, and a database of the test's own."""

    cwd: Path
    zoho: str
    server: Server
    database: str

    @property
    def url(self) -> str:
        return self.server.url(self.database)

    async def run(self, *arguments: str, url: str | None = None) -> cli.Result:
        return await cli.run(*arguments, cwd=self.cwd, **self._settings(url))

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await cli.start(*arguments, cwd=self.cwd, **self._settings(None))

    async def sync(self, url: str | None = None) -> dict[str, Any]:
        """Sync, which must work, and return the report."""
        result = await self.run("sync", "--json", url=url)
        assert result.code == 0, result.err + result.out
        report: dict[str, Any] = result.json[0]
        return report

    def _settings(self, url: str | None) -> dict[str, str | None]:
        return cli.zoho_settings(self.zoho, DATABASE_URL=url or self.url)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with own_folder() as folder, postgres(folder) as server:
        yield server


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(cadences=60, clock=SystemClock().now)


@pytest.fixture
async def bare(shared_server: Server, simulator: Simulator, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty database."""
    async with _placed(shared_server, simulator, tmp_path) as place:
        yield place


@pytest.fixture
async def place(bare: Place) -> Place:
    """A database with a first sync in it."""
    assert (await bare.run("migrate")).code == 0
    assert (await bare.sync())["baseline"] == 60
    return bare


@pytest.mark.parametrize("size", [1, 2])
async def test_everything_works_behind_a_pooler_in_transaction_mode(
    size: int, bare: Place, simulator: Simulator
) -> None:
    async with pooler(bare.server, size) as folder:
        url = f"postgresql://postgres@/{bare.database}?host={folder}&port={POOLER_PORT}"
        migrated = await bare.run("migrate", url=url)
        assert migrated.code == 0, migrated.err
        assert (await bare.sync(url))["baseline"] == 60
        for _ in range(3):
            simulator.edit(5)
            await bare.sync(url)
        simulator.change_settings(latency=0.2)
        for _ in range(3):
            simulator.edit_one("rename")
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bare.run("sync", "--json", url=url)) for _ in range(3)]
            results = [task.result() for task in tasks]
            assert {result.code for result in results} in ({0}, {0, 8}), [result.err for result in results]
            assert sum(result.json[0]["updated"] for result in results) == 1
        for command in (("status", "--json"), ("list", "--json"), ("doctor",)):
            assert (await bare.run(*command, url=url)).code == 0
    await _is_whole(bare, simulator)


async def test_behind_a_pooler_nothing_of_a_stranger_is_called_and_no_path_is_left(
    bare: Place, simulator: Simulator
) -> None:
    await shadow(bare.url)
    async with pooler(bare.server, 1) as folder:
        url = f"postgresql://postgres@/{bare.database}?host={folder}&port={POOLER_PORT}"
        for command in ("migrate", "sync", "sync", "status", "doctor"):
            simulator.edit(5)
            result = await bare.run(command, url=url)
            assert result.code == 0, (command, result.err)
        other = await asyncpg.connect(url, statement_cache_size=0)
        assert await other.fetchval("SHOW search_path") == '"$user", public'
        await other.close()
    assert await bare.server.value(f"SELECT is_called FROM {CALLED}", bare.database) is False


async def test_migrations_at_once_behind_a_pooler_end_well_and_strand_no_lock(bare: Place) -> None:
    """A lock of the session would stay with a connection of the pooler, and the next `migrate` would wait for it."""
    locks = """
        SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
        WHERE l.mode = 'ShareRowExclusiveLock' AND d.datname = current_database()
    """
    async with pooler(bare.server, 3) as folder:
        url = f"postgresql://postgres@/{bare.database}?host={folder}&port={POOLER_PORT}"
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bare.run("migrate", url=url)) for _ in range(3)]
            results = [task.result() for task in tasks]
            assert [result.code for result in results] == [0, 0, 0], [result.err for result in results]
            assert await bare.server.value(locks, bare.database) == 0
        # The queue as an older PgQueuer left it, and the views as an older release did.
        older = "ALTER TABLE cadence_queue.pgqueuer ALTER COLUMN priority DROP NOT NULL"
        await bare.server.execute(older, bare.database)
        await bare.server.execute("UPDATE cadence_sync.reporting_layer SET checksum = 'older'", bare.database)
        upgraded = await bare.run("migrate", url=url)
        assert upgraded.code == 0, upgraded.err
        assert await bare.server.value(locks, bare.database) == 0
        strict = """
            SELECT attnotnull FROM pg_attribute
            WHERE attrelid = 'cadence_queue.pgqueuer'::regclass AND attname = 'priority'
        """
        assert await bare.server.value(strict, bare.database) is True
        assert (await bare.sync(url))["baseline"] == 60


async def test_postgres_restarts_in_mid_listing(place: Place, simulator: Simulator) -> None:
    simulator.edit_one("rename")
    process = await fetching(place, simulator, seconds=3)
    await asyncio.to_thread(place.server.restart)
    assert simulator.in_flight[0], "the restart took longer than the listing"
    code, out = await ended(process)
    assert (code, json.loads(out)[0]["updated"]) == (0, 1)
    await _is_whole(place, simulator)


async def test_postgres_is_gone_when_a_listing_ends(place: Place, simulator: Simulator) -> None:
    simulator.edit_one("rename")
    process = await fetching(place, simulator, seconds=0.5)
    await asyncio.to_thread(place.server.stop)
    code, out = await ended(process)
    await asyncio.to_thread(place.server.start)
    assert (code, json.loads(out)[0]["error"]["code"]) == (5, "DATABASE_UNREACHABLE")
    assert await version_count(place.url) == 60
    assert (await place.sync())["updated"] == 1
    assert await runs(place.url) == [("succeeded", None), ("failed", "ABANDONED"), ("succeeded", None)]
    await _is_whole(place, simulator)


async def test_postgres_restarts_in_mid_write(place: Place, simulator: Simulator) -> None:
    simulator.edit_one("rename")
    simulator.edit_one("create")
    process = await fetching(place, simulator, seconds=1)
    async with _held_up(place, process):
        await asyncio.to_thread(place.server.restart)
        code, out = await ended(process)
    assert (code, json.loads(out)[0]["error"]["code"]) == (5, "DATABASE_UNREACHABLE")
    assert await version_count(place.url) == 60
    report = await place.sync()
    assert (report["updated"], report["created"]) == (1, 1)
    await _is_whole(place, simulator)


async def test_connections_are_cut_in_mid_listing(place: Place, simulator: Simulator) -> None:
    simulator.edit_one("rename")
    process = await fetching(place, simulator, seconds=1)
    await place.server.execute(CUT, place.database)
    code, out = await ended(process)
    assert (code, json.loads(out)[0]["updated"]) == (0, 1)
    await _is_whole(place, simulator)


@pytest.mark.parametrize("table", ["orgs", "sync_runs", "cadence_versions", "cadence_changes", "cadences"])
async def test_connections_are_cut_in_mid_write(table: str, place: Place, simulator: Simulator) -> None:
    """Wherever a run stands in its transaction, the ledger says that it failed and the tables know nothing of it."""
    simulator.edit_one("rename")
    process = await fetching(place, simulator, seconds=1)
    async with _held_up(place, process, table):
        await place.server.execute(CUT, place.database)
    code, out = await ended(process)
    assert (code, json.loads(out)[0]["error"]["code"]) == (5, "DATABASE_UNREACHABLE")
    assert await version_count(place.url) == 60
    assert await runs(place.url) == [("succeeded", None), ("failed", "DATABASE_UNREACHABLE")]
    assert (await place.sync())["updated"] == 1
    await _is_whole(place, simulator)


@pytest.mark.parametrize("log_too", [False, True], ids=["data", "data-and-log"])
async def test_a_full_disk_fails_the_run_and_leaves_nothing_half_written(log_too: bool, tmp_path: Path) -> None:
    many = Simulator(cadences=3000, clock=SystemClock().now)
    with own_folder() as folder, small_disk(folder, 96) as disk:
        wal = None if log_too else folder / "wal"
        with postgres(folder, disk / "data", wal=wal) as server:
            async with _placed(server, many, tmp_path) as place:
                assert (await place.run("migrate")).code == 0
                ballast = fill(disk, spare=512 * 1024)
                result = await place.run("sync", "--json")
                ballast.unlink()
                assert result.code == 5, result.out
                code = result.json[0]["error"]["code"]
                assert code in (DATABASE_CODES if log_too else {"DISK_FULL"})
                await _up_again(server)
                assert await version_count(place.url) == 0
                assert await broken(place.url) == {}
                assert (await place.sync())["baseline"] == 3000
                await _is_whole(place, many)


async def test_a_read_only_database_is_named_as_such(place: Place, simulator: Simulator) -> None:
    simulator.edit_one("rename")
    await place.server.execute(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
    result = await place.run("sync", "--json")
    assert (result.code, result.json[0]["error"]["code"]) == (5, "DATABASE_READ_ONLY")
    assert (await place.run("list", "--json")).code == 0
    await place.server.execute(f"ALTER DATABASE {place.database} RESET default_transaction_read_only")
    assert (await place.sync())["updated"] == 1
    await _is_whole(place, simulator)


async def test_a_database_that_becomes_read_only_in_mid_listing_loses_nothing(
    place: Place, simulator: Simulator
) -> None:
    simulator.edit_one("rename")
    process = await fetching(place, simulator, seconds=1)
    await place.server.execute(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
    await place.server.execute(CUT, place.database)  # as where a standby takes over
    code, out = await ended(process)
    await place.server.execute(f"ALTER DATABASE {place.database} RESET default_transaction_read_only")
    assert (code, json.loads(out)[0]["error"]["code"]) == (5, "DATABASE_READ_ONLY")
    assert (await place.sync())["updated"] == 1
    assert await runs(place.url) == [("succeeded", None), ("failed", "ABANDONED"), ("succeeded", None)]
    await _is_whole(place, simulator)


@pytest.mark.parametrize("moment", ["listing", "write"])
async def test_a_backup_taken_in_mid_run_is_whole_and_can_be_gone_on_from(
    moment: str, place: Place, simulator: Simulator
) -> None:
    for _ in range(3):
        simulator.edit(5)
        await place.sync()
    before = await version_count(place.url)
    simulator.edit_one("rename")
    backup = place.server.folder / f"{place.database}.dump"
    dump = ("pg_dump", "--format=custom", f"--file={backup}", f"--dbname={place.url}")
    process = await fetching(place, simulator, seconds=5 if moment == "listing" else 1)
    if moment == "listing":
        await asyncio.to_thread(place.server.command, *dump)
        assert simulator.in_flight[0], "the backup took longer than the listing"
    else:
        async with _held_up(place, process):
            await asyncio.to_thread(place.server.command, *dump)
            assert process.returncode is None
    copy = f"{place.database}_copy"
    await place.server.execute(f"CREATE DATABASE {copy} TEMPLATE template0")
    url = place.server.url(copy)
    await asyncio.to_thread(place.server.command, "pg_restore", "--exit-on-error", f"--dbname={url}", str(backup))
    assert (await ended(process))[0] == 0
    assert await broken(url) == {}
    assert await version_count(url) == before
    assert (await place.sync(url))["updated"] == 1
    assert await version_count(url) == before + 1
    assert await broken(url) == {}
    assert await names(url) == await names(place.url)
    await _is_whole(place, simulator)


@asynccontextmanager
async def _placed(server: Server, simulator: Simulator, cwd: Path) -> AsyncIterator[Place]:
    database = f"place_{next(_NUMBERS)}"
    await server.execute(f"CREATE DATABASE {database}")
    async with running(simulator) as zoho:
        yield Place(cwd, zoho, server, database)


@asynccontextmanager
async def _held_up(place: Place, process: asyncio.subprocess.Process, table: str = "cadences") -> AsyncIterator[None]:
    """Let a sync that listings come to the middle of its transaction, where it waits for a table that is locked."""
    holder = await asyncpg.connect(place.url)
    try:
        await holder.execute(f"BEGIN; LOCK TABLE cadence_sync.{table} IN SHARE MODE")
        async with asyncio.timeout(cli.PATIENCE):
            while not await place.server.value(WAITING, place.database):
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield
    finally:
        holder.terminate()


async def _up_again(server: Server) -> None:
    """Wait until the server has recovered by itself, or start it where it gave up."""
    async with asyncio.timeout(cli.PATIENCE):
        while True:
            try:
                await server.value("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if not server.runs():
                    server.start()
                await asyncio.sleep(0.1)
            else:
                return


async def _is_whole(place: Place, simulator: Simulator) -> None:
    """The history breaks no rule, shows what Zoho shows, and the next sync finds nothing to do."""
    assert await broken(place.url) == {}
    assert await names(place.url) == {i: cadence.name for i, cadence in simulator.orgs[0].cadences.items()}
    report = await place.sync()
    assert report["unchanged"] == report["seen"] == len(simulator.orgs[0].cadences)
