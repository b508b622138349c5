"""A sample history: weeks of edits, deletions, held deletions, an unreadable record."""

import random
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.ports import Org
from cadence_sync.simulator.edits import delete, make_random_edits
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.serializers import list_v8
from tests.support.lab import Lab

EVERY = timedelta(days=2)


async def write_history(engine: AsyncEngine, until: datetime, weeks: int = 12) -> None:
    """Syncs both organizations every other day; the last run, at `until`, holds deletions and meets a bad record."""
    rng = random.Random(7)  # noqa: S311 - made-up edits need repeatable, not secret, randomness
    lab = Lab(engine)
    orgs = {"production": SimOrg(7, 0, 60), "sandbox": SimOrg(7, 1, 24)}
    listings = weeks * 7 // EVERY.days
    for listing in range(listings + 1):
        at = until - EVERY * (listings - listing)
        for name, org in orgs.items():
            if 0 < listing < listings:
                _edit(org, at, rng)
            if listing == listings:
                _delete_third(org)
            await _sync(lab, name, org, at, broken=listing == listings)


def _edit(org: SimOrg, at: datetime, rng: random.Random) -> None:
    """Makes edits at random times of the two days before."""
    moments = sorted(rng.randrange(60, 2 * 24 * 60) for _ in range(rng.randrange(len(org.cadences) // 6)))
    for minutes in reversed(moments):
        make_random_edits(org, 1, at - timedelta(minutes=minutes), rng)


def _delete_third(org: SimOrg) -> None:
    """Deletes enough cadences to exceed the delete threshold."""
    for cadence_id in list(org.cadences)[: len(org.cadences) // 3]:
        delete(org, cadence_id)


async def _sync(lab: Lab, name: str, org: SimOrg, at: datetime, *, broken: bool) -> None:
    records = [list_v8(cadence, org.utc_offset) for cadence in org.ordered("id")]
    if broken:
        records[0]["summary"] = {"email_follow_up_count": "many"}
    lab.clock.time = at - timedelta(minutes=1)  # `sync` moves it by a minute
    report = await lab.sync(*records, org=Org(name, "eu"))
    if report.error is not None:
        raise RuntimeError(f"The sync of {name} failed: {report.error}")
