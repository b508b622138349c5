"""`make bench-guard`: fails if a run exceeds its budget, in figures that do not depend on the machine.

The only timing is the ratio to the floor, measured in the same run and bounded generously.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from sqlalchemy import event

from bench.measure import run
from bench.place import COMMAND, Place, database, place
from cadence_sync import wiring
from cadence_sync.config.orgs import OrgConfig, configured_orgs
from cadence_sync.config.settings import load_settings

SMALL, LARGE = 5_000, 50_000
FEW, SOME = 500, 5_000
ROWS = """
    SELECT sum(n_tup_ins) AS inserted, sum(n_tup_upd) AS updated, sum(n_tup_del) AS deleted
    FROM pg_stat_user_tables WHERE schemaname = 'cadence_sync'
"""


@dataclass(frozen=True)
class Bound:
    """A figure and its maximum."""

    name: str
    figure: float
    most: float

    @property
    def kept(self) -> bool:
        return self.figure <= self.most


async def _measure(found: Place) -> tuple[int, dict[str, int]]:
    """Returns the write-ahead log's position in bytes, and the number of rows written so far."""
    connection = await asyncpg.connect(found.database_url)
    try:
        position = await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(position), {name: int(value or 0) for name, value in dict(await connection.fetchrow(ROWS)).items()}
    finally:
        await connection.close()


async def _written(found: Place, sync: Callable[[], Any]) -> tuple[int, dict[str, int]]:
    """Returns the bytes of log and the rows that a sync writes."""
    before, rows_before = await _measure(found)
    sync()
    after, rows_after = await _measure(found)
    return after - before, {name: rows_after[name] - rows_before[name] for name in rows_after}


async def unchanged(found: Place) -> list[Bound]:
    """A run that finds nothing new."""
    found.ask("/calls")
    ran, printed = found.product()
    calls = int(found.ask("/calls"))
    # The least of some: the server has work of its own, and writes pages whole that a checkpoint came before.
    log, rows = min([await _written(found, found.product) for _ in range(4)], key=lambda written: written[0])
    floors = [found.floor().cpu for _ in range(3)]
    products = [ran.cpu, *(found.product()[0].cpu for _ in range(2))]
    return [
        Bound("API calls beyond the pages", calls - found.pages, 0),
        Bound("API calls beyond those that it counts", abs(calls - json.loads(printed)[0]["api_calls"]), 0),
        Bound("rows inserted: the run's", rows["inserted"], 1),
        Bound("rows updated: the run's, the organization's", rows["updated"], 2),
        Bound("rows deleted", rows["deleted"], 0),
        Bound("bytes of write-ahead log", log, 3_000),
        Bound("processor time beside the floor's", median(products) / median(floors), 3),
    ]


async def one_percent(found: Place) -> list[Bound]:
    """A run that finds one cadence in a hundred renamed."""
    changed = found.cadences // 100
    written = []
    for variant in ("one-percent", "base") * 2:
        found.ask(f"/variant/{variant}")
        written.append(await _written(found, found.product))
    log, rows = min(written, key=lambda each: each[0])
    return [
        # A version and two changes (name, modified_time); a closed version and the current rows.
        Bound("rows inserted for each change", (rows["inserted"] - 1) / changed, 3),
        Bound("rows updated for each change", (rows["updated"] - 2) / changed, 2),
        Bound("bytes of write-ahead log for each change", log / changed, 12_000),
    ]


async def round_trips(environment: dict[str, str]) -> int:
    """Counts the statements of an unchanged run inside one process, BEGIN and COMMIT included."""
    _, printed = run([sys.executable, "-m", "bench.guard", "--count"], environment)
    return int(printed)


async def _count() -> None:
    """Syncs twice and prints the number of statements of the second run."""
    settings = load_settings()
    org = configured_orgs(settings)["default"]
    if not isinstance(org, OrgConfig):
        raise org
    sent: list[str] = []
    async with wiring.database(settings) as engine:

        @event.listens_for(engine.sync_engine, "connect")
        def _connected(connection: Any, _record: Any) -> None:
            connection.driver_connection.add_query_logger(lambda query: sent.append(query.query))

        for _ in range(2):
            sent.clear()
            async with wiring.sync(settings, engine, org) as syncing:
                await syncing.run("bench")
    print(len(sent))


def instructions(found: Place) -> float | None:
    """Returns the instructions of an unchanged run by `perf`, else by callgrind, else None."""
    return _by_perf(found) or _by_callgrind(found)


def _by_perf(found: Place) -> float | None:
    perf = shutil.which("perf")
    if perf is None:
        return None
    counted = found.folder / "instructions"
    command = [perf, "stat", "-x", ",", "-e", "instructions:u", "-o", str(counted), str(COMMAND), "sync"]
    try:
        run(command, found.environment())
        return float(counted.read_text().strip().splitlines()[-1].split(",")[0])
    except (RuntimeError, ValueError, IndexError):
        return None  # the kernel does not let us


def _by_callgrind(found: Place) -> float | None:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    counted = found.folder / "instructions"
    tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={counted}"]
    try:
        run([valgrind, *tool, str(COMMAND), "sync"], found.environment())
        return float(counted.read_text().rpartition("Collected :")[2].split()[0])
    except (RuntimeError, ValueError, IndexError):
        return None  # it does not know this processor


async def _instructions(url: str, folder: Path) -> list[Bound]:
    """Compares two small sizes: callgrind takes fifty times as long as the command itself."""
    counted = []
    for cadences in (FEW, SOME):
        async with place(url, folder, cadences) as found:
            for _ in range(2):
                found.product()
            counted.append(instructions(found))
    few, some = counted
    if few is None or some is None:
        print("--    instructions for each more cadence, unchanged: neither perf nor valgrind can tell here")
        return []
    return [Bound("instructions for each more cadence, unchanged", (some - few) / (SOME - FEW), 60_000)]


async def figures(url: str, folder: Path) -> list[Bound]:
    """Measures two sizes of one organization."""
    async with place(url, folder, SMALL) as found:
        found.product()
        small_peak = found.product()[0].peak_mb
        statements = await round_trips(found.environment())
    async with place(url, folder, LARGE) as found:
        first = found.product()[0].peak_mb
        large_peak = found.product()[0].peak_mb
        bounds = [*await unchanged(found), *await one_percent(found)]
    more = LARGE - SMALL
    bounds += [
        Bound("statements of an unchanged run", statements, 25),
        Bound("bytes of memory for each more cadence, unchanged", (large_peak - small_peak) * 2**20 / more, 200),
        Bound("MB at the peak of a first load", first, 150),
    ]
    bounds += await _instructions(url, folder)
    return bounds


async def main() -> int:
    """Prints every figure with its bound; returns 1 if one is exceeded."""
    if "--count" in sys.argv:
        await _count()
        return 0
    with database() as (url, folder):
        bounds = await figures(url, folder)
    for bound in bounds:
        print(f"{'ok  ' if bound.kept else 'OVER'}  {bound.name}: {bound.figure:g} (at most {bound.most:g})")
    return 0 if all(bound.kept for bound in bounds) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
