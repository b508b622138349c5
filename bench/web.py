"""`make bench-web`: the time of every page over ten years of weekly changes, requested in turn over HTTP.

The web UI is served by a process of its own, as `serve` does it; Postgres runs on the same machine with its settings at
their defaults.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from urllib.parse import quote, urlencode

import asyncpg
from aiohttp import ClientSession, web

from bench.decade import EDITED, WIDE, Size, fill
from bench.place import database
from cadence_sync.config.settings import Settings
from cadence_sync.db.engine import WEB_UI, open_engine
from cadence_sync.db.migrate import migrate
from cadence_sync.web.app import web_ui_app
from cadence_sync.wiring import SystemClock
from tests.support.invariants import broken

GOAL = 100
"""Milliseconds that the median of any page may take."""
WHOLE_LIST = 1000
"""The same for a file of 10,000 cadences."""
_LINK = re.compile(r'<li><a href="(/[a-z-]*)"')


@dataclass(frozen=True)
class Taken:
    """A page, its times in milliseconds, and its length."""

    name: str
    milliseconds: list[float]
    size: int
    goal: int

    @property
    def kept(self) -> bool:
        return median(self.milliseconds) <= self.goal

    def line(self) -> str:
        late = quantiles(self.milliseconds, n=20)[-1]
        middle, verdict = median(self.milliseconds), "kept" if self.kept else f"NOT KEPT: {self.goal} ms"
        return f"{self.name:<58}{middle:>8.1f}{late:>8.1f}{self.size:>11,}  {verdict}"


def addresses(cadence_id: str, gone_id: str, run_id: int) -> Iterator[tuple[str, str]]:
    """Yields names and addresses: each page as it opens, and at its most expensive."""
    now = datetime.now(UTC)  # noqa: TID251 - the history ends about now
    newest, middle, oldest = (f"{now - timedelta(days=days):%Y-%m-%d}" for days in (30, 1825, 3600))
    own = f"/cadences/{EDITED}/{quote(cadence_id)}"
    for name, path, query in (
        ("list of all", "/cadences", {}),
        ("list of 10,000, the last page", "/cadences", {"org": WIDE, "page": "100"}),
        ("list of 10,000 by last change", "/cadences", {"org": WIDE, "sort": "changed", "order": "desc"}),
        ("list searched", "/cadences", {"search": "demo", "status": "active"}),
        ("list that is empty", "/cadences", {"search": "no such name"}),
        ("list of 10,000 as CSV", "/cadences.csv", {"org": WIDE}),
        ("one cadence", own, {}),
        ("one cadence, older versions", own, {"newest": "260"}),
        ("one cadence, deleted", f"/cadences/{EDITED}/{quote(gone_id)}", {}),
        ("one run", f"/runs/{run_id}", {}),
        ("one organization", "/organization", {"org": EDITED}),
        ("overview of one organization", "/", {"org": EDITED}),
        ("two versions side by side", f"{own}/versions", {"old": "2", "new": "500", "all": "1"}),
        ("one cadence five years ago", f"{own}/at", {"on": middle}),
        ("changes", "/changes", {}),
        ("changes of one setting", "/changes", {"org": EDITED, "field": "name"}),
        ("changes of a kind that is rare", "/changes", {"org": EDITED, "kind": "restored"}),
        ("changes of a setting that never changed", "/changes", {"org": EDITED, "field": "description"}),
        ("changes by somebody who made none", "/changes", {"org": EDITED, "person": "nobody"}),
        ("changes of a name, five years ago", "/changes", {"org": EDITED, "search": "demo", "until": middle}),
        ("changes as Atom", "/changes.atom", {}),
        *((f"list as of {day}", "/past", {"org": EDITED, "on": day}) for day in (newest, middle, oldest)),
        ("list as seen by then", "/past", {"org": EDITED, "on": middle, "axis": "observed"}),
        ("list as of then, as CSV", "/past.csv", {"org": EDITED, "on": middle}),
        ("difference, a month", "/past/difference", {"org": EDITED, "from": newest}),
        ("difference, ten years", "/past/difference", {"org": EDITED, "from": oldest}),
        ("difference, five years ago", "/past/difference", {"org": EDITED, "from": middle, "to": middle}),
    ):
        yield name, f"{path}?{urlencode(query)}" if query else path


async def ask(session: ClientSession, name: str, path: str, rounds: int) -> Taken:
    """Requests a page repeatedly; the first answer only warms up."""
    taken, size = [], 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        async with session.get(path) as answer:
            body = await answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        size = len(body)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
    return Taken(name, taken[1:], size, WHOLE_LIST if path.startswith("/cadences.csv") else GOAL)


async def measure(url: str, rounds: int) -> list[Taken]:
    connection = await asyncpg.connect(url)
    ids = "SELECT cadence_id FROM cadence_sync.cadences WHERE org_id = $1 AND deleted_at IS {} ORDER BY version DESC"
    try:
        cadence_id, gone_id = [await connection.fetchval(ids.format(what), EDITED) for what in ("NULL", "NOT NULL")]
        run_id = await connection.fetchval(
            "SELECT run_id FROM cadence_sync.sync_runs WHERE org_id = $1 ORDER BY updated DESC, run_id LIMIT 1", EDITED
        )
    finally:
        await connection.close()
    with served(url) as base:
        async with ClientSession(base) as session:
            async with session.get("/") as answer:
                others = dict.fromkeys(_LINK.findall(await answer.text()))
            known = list(addresses(cadence_id, gone_id, run_id))
            wanted = [(path, path) for path in others if path not in {path for _, path in known}] + known
            return [await ask(session, name, path, rounds) for name, path in wanted]


@contextmanager
def served(url: str) -> Iterator[str]:
    """Yields the address of a process that serves the web UI."""
    process = subprocess.Popen([sys.executable, "-m", "bench.web", "--serve", url], stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        if process.stdout is None:
            raise RuntimeError("a process has the pipes that it was given")
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


async def serve(url: str) -> None:
    """Serves the web UI until killed."""

    async def ask_for(org_id: str) -> str:
        raise RuntimeError(f"nobody asks for a sync of {org_id} here")

    async with open_engine(url, WEB_UI, direct=True) as engine:
        runner = web.AppRunner(web_ui_app(Settings(), engine, SystemClock(), ask_for), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


@asynccontextmanager
async def filled(given: str | None, size: Size) -> AsyncIterator[str]:
    """Yields the URL of a database with the history: an existing or a fresh one."""
    if given is not None:
        yield given
        return
    with database() as (url, _):
        async with open_engine(url) as engine:
            await migrate(engine)
            began = time.perf_counter()
            await fill(engine, size)
        print(f"{size.cadences} cadences x {size.weeks} weeks made in {time.perf_counter() - began:.0f} s")
        if faults := await broken(url):
            raise RuntimeError(f"that is no history: {', '.join(faults)}")
        yield url


async def main() -> int:
    """Measures and prints; returns 1 if a page exceeds its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", metavar="URL", help="only serve the web UI over this database")
    parser.add_argument("--database", metavar="URL", help="a database that is filled already")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cadences", type=int, default=Size.cadences)
    parser.add_argument("--weeks", type=int, default=Size.weeks)
    parser.add_argument("--wide", type=int, default=Size.wide)
    given = parser.parse_args()
    if given.serve:
        await serve(given.serve)
    async with filled(given.database, Size(given.cadences, given.weeks, given.wide)) as url:
        found = await measure(url, given.rounds)
    print(f"{'page':<58}{'median':>8}{'p95':>8}{'bytes':>11}")
    for each in found:
        print(each.line())
    return 0 if all(each.kept for each in found) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
