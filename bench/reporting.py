"""`make bench-reporting`: the time of the reporting layer's queries on a long history, with their plans."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import asyncpg

from bench.history import END, Size, fill
from bench.place import database
from cadence_sync.db.engine import open_engine
from cadence_sync.db.migrate import migrate

ROUNDS = 9
HISTORY = ("Seq Scan on cadence_versions", "Seq Scan on cadence_changes")


@dataclass(frozen=True)
class Question:
    """A query, its limit, and whether it names an organization and so must not scan whole tables."""

    name: str
    sql: str
    milliseconds: int
    keyed: bool = True


def questions(org: str, cadence_id: str) -> list[Question]:
    """Returns the queries, for a time and an organization in the middle."""
    middle, month, quarter = (END - timedelta(days=days) for days in (365, 395, 457))
    return [
        Question(
            "current_cadences of one org",
            f"SELECT * FROM cadence_reporting.current_cadences WHERE org_id = '{org}'",
            10,
        ),
        Question(
            "cadences_as_of of one org", f"SELECT * FROM cadence_reporting.cadences_as_of('{middle}', '{org}')", 20
        ),
        Question(
            "cadences_as_of of all orgs",
            f"SELECT * FROM cadence_reporting.cadences_as_of('{middle}')",
            2000,
            keyed=False,
        ),
        Question(
            "one cadence's history",
            f"SELECT * FROM cadence_reporting.cadence_history WHERE org_id = '{org}' AND cadence_id = '{cadence_id}'",
            5,
        ),
        Question(
            "change_log of one org and month",
            f"SELECT * FROM cadence_reporting.change_log WHERE org_id = '{org}'"
            f" AND changed_at >= '{month}' AND changed_at < '{middle}'",
            20,
        ),
        Question(
            "daily_snapshots of one org and quarter",
            f"SELECT * FROM cadence_reporting.daily_snapshots WHERE org_id = '{org}'"
            f" AND day BETWEEN '{quarter:%Y-%m-%d}' AND '{middle:%Y-%m-%d}'",
            300,
        ),
        Question(
            "cadence_diff of one org and month",
            f"SELECT * FROM cadence_reporting.cadence_diff('{month}', '{middle}', '{org}')",
            100,
        ),
    ]


async def measure(connection: asyncpg.Connection, question: Question) -> tuple[float, int, str]:
    """Returns the median in milliseconds of planning, running and sending all rows, their number, and the plan."""

    async def forget(_: bytes) -> None:
        """Take what is sent."""

    taken, status = [], ""
    for _ in range(ROUNDS):
        began = time.perf_counter()
        status = await connection.copy_from_query(question.sql, output=forget)
        taken.append((time.perf_counter() - began) * 1000)
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) {question.sql}"))
    return median(taken), int(status.split()[1]), plan


@asynccontextmanager
async def filled(size: Size) -> AsyncIterator[asyncpg.Connection]:
    """Yields a connection to a server with a history of that size."""
    with database() as (url, _):
        async with open_engine(url) as engine:
            await migrate(engine)
        began = time.perf_counter()
        await fill(url, size)
        print(f"{size.orgs * size.cadences * size.versions:,} versions made in {time.perf_counter() - began:.0f} s")
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()


async def main() -> int:
    """Measures and prints; returns 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orgs", type=int, default=1000)
    parser.add_argument("--cadences", type=int, default=100)
    parser.add_argument("--versions", type=int, default=10)
    size = Size(**vars(parser.parse_args()))
    broken = 0
    async with filled(size) as connection:
        org, cadence_id = await connection.fetchrow(
            "SELECT org_id, cadence_id FROM cadence_sync.cadences WHERE org_id = $1 LIMIT 1", f"org-{size.orgs // 2:04}"
        )
        for question in questions(org, cadence_id):
            milliseconds, rows, plan = await measure(connection, question)
            scans = [each for each in HISTORY if question.keyed and each in plan]
            kept = milliseconds <= question.milliseconds and not scans
            broken += not kept
            verdict = "kept" if kept else f"NOT KEPT {' '.join(scans)}"
            print(
                f"\n{question.name}: {milliseconds:.1f} ms of {question.milliseconds}, {rows:,} rows: {verdict}",
                flush=True,
            )
            print("\n".join(f"    {line}" for line in plan.splitlines()))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
