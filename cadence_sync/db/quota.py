"""The daily limit of API calls: each run reserves its share."""

from typing import Final

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cadence_sync.db.engine import LOCK_ORG
from cadence_sync.db.runs import DAY
from cadence_sync.db.tables import sync_runs
from cadence_sync.errors import BudgetError
from cadence_sync.ports import Run

_UNKNOWN: Final = or_(sync_runs.c.outcome.is_(None), sync_runs.c.error_code == "ABANDONED")
SPENT: Final = func.coalesce(
    func.sum(case((_UNKNOWN, func.coalesce(sync_runs.c.reserved_calls, 0)), else_=sync_runs.c.api_calls)), 0
)
"""Calls of runs; one that is open or was killed counts its reservation, because its calls are unknown."""
SPARE: Final = 50
PER_PAGE: Final = 10
"""A run reserves ten calls for each page of the last listing and fifty more, enough with retries."""


async def reserve_calls(connection: AsyncConnection, run: Run, budget: int) -> int:
    """Reserves calls for a run and returns their number; raises `BudgetError` where none are left."""
    await connection.execute(LOCK_ORG, {"org_id": run.org_id})
    mine = and_(sync_runs.c.org_id == run.org_id, sync_runs.c.started_at > run.started_at - DAY)
    used = await connection.scalar(select(SPENT).where(mine))
    left = budget - int(used or 0)
    if left <= 0:
        raise BudgetError(f"The {budget} API calls of this day are spent.")
    reserved = min(left, PER_PAGE * run.paging.pages + SPARE)
    await connection.execute(
        update(sync_runs)
        .where(sync_runs.c.org_id == run.org_id, sync_runs.c.run_id == run.run_id)
        .values(reserved_calls=reserved)
    )
    return reserved
