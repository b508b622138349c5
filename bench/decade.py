"""Ten years of an organization whose every cadence is edited every week, written by the product's own syncs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.ports import Org
from cadence_sync.simulator.edits import EditError, delete, make_random_edit, restore
from cadence_sync.simulator.org import SimOrg
from cadence_sync.simulator.serializers import list_v7
from cadence_sync.sync import SyncOptions
from tests.support.lab import Lab

WEEK: Final = timedelta(weeks=1)
EDITED: Final = "edited"
WIDE: Final = "wide"
_KINDS: Final = ("rename", "activate", "deactivate", "change_counts", "change_execution")
_ANYTHING: Final = SyncOptions(allow_mass_delete=True)


@dataclass(frozen=True)
class Size:
    """The size of the history; `wide` is the number of cadences of a second, unedited organization."""

    cadences: int = 400
    weeks: int = 520
    wide: int = 10_000


async def fill(engine: AsyncEngine, size: Size) -> datetime:
    """Fills migrated, empty tables; returns the time of the last sync."""
    lab, rng = Lab(engine), random.Random(7)  # noqa: S311 - made-up edits need repeatable, not secret, randomness
    await lab.execute("SET LOCAL synchronous_commit = off")
    org = SimOrg(7, 0, size.cadences)
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)  # noqa: TID251 - it ends about now
    for week in range(size.weeks + 1):
        at = end - WEEK * (size.weeks - week)
        if week:
            _work(org, week, at, rng)
        await _sync(lab, EDITED, at, [list_v7(cadence, org.utc_offset) for cadence in org.ordered("id")])
    other = SimOrg(7, 1, size.wide)
    await _sync(lab, WIDE, end, [list_v7(cadence, other.utc_offset) for cadence in other.ordered("id")])
    async with engine.connect() as connection:
        settled = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await settled.exec_driver_sql("VACUUM ANALYZE")
    return end


def _work(org: SimOrg, week: int, at: datetime, rng: random.Random) -> None:
    """Edits every cadence at a random time of the week before; occasionally one is deleted or restored."""
    for cadence_id in list(org.cadences):
        moment = at - timedelta(minutes=rng.randrange(5, 7 * 24 * 60 - 5))
        for kind in _some(rng):
            try:
                make_random_edit(org, kind, moment, rng, cadence_id)
            except EditError:
                continue  # what is inactive cannot be switched off
            break
    if week % 4 == 0:
        delete(org, rng.choice(list(org.cadences)))
    if week % 4 == 1 and len(org.deleted) > 1:
        restore(org, next(iter(org.deleted)))


def _some(rng: random.Random) -> Iterator[str]:
    yield from rng.sample(_KINDS, len(_KINDS))


async def _sync(lab: Lab, org_id: str, at: datetime, records: list[dict[str, Any]]) -> None:
    lab.clock.time = at - timedelta(minutes=1)  # `sync` moves it on by a minute
    report = await lab.sync(*records, org=Org(org_id, "us"), permits=_ANYTHING)
    if report.error is not None:
        raise RuntimeError(report.error.message)
