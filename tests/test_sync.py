"""How a sync's parts work together: what is under way when another part fails."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from cadence_sync import sync
from cadence_sync.core.diff import Plan, plan_listed
from cadence_sync.core.records import BLOCK
from cadence_sync.db.store import Transaction
from cadence_sync.errors import DatabaseError
from tests.support.lab import Lab
from tests.support.records import record


async def test_a_defect_in_a_plan_is_not_logged_where_the_write_before_it_failed_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of a defect may hold anything, and asyncio logs whatever nobody has retrieved."""
    calls: list[threading.Event] = []

    def plan(*arguments: Any) -> Plan:
        calls.append(threading.Event())
        if len(calls) == 1:
            return plan_listed(*arguments)
        calls[0].set()
        raise RuntimeError("a-secret-4711")

    async def write(_transaction: Transaction, _plan: Plan) -> None:
        assert await asyncio.to_thread(calls[0].wait, 60)
        raise DatabaseError("The connection was lost.", code="CONNECTION_LOST")

    monkeypatch.setattr(sync, "plan_listed", plan)
    monkeypatch.setattr(Transaction, "write", write)
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: logged.append(context))
    report = await lab.sync(*(record(str(number)) for number in range(BLOCK + 1)))
    assert (report.error and report.error.code, len(calls)) == ("CONNECTION_LOST", 2)
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    del others
    gc.collect()
    await asyncio.sleep(0)
    assert logged == []
