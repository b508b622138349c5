"""A run writes everything or nothing, alone, and whoever freezes while it writes is cut off."""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from cadence_sync.db import deletion_reviews, runs, store
from cadence_sync.db.deletion_reviews import review_deletions
from cadence_sync.db.engine import LOCK_ORG
from cadence_sync.errors import DatabaseError
from cadence_sync.ports import Actor
from tests.support.lab import ORG, Lab, WrittenSource
from tests.support.records import listing, record

ORGS = "SELECT to_jsonb(o) - 'consecutive_failures' - 'last_run_at' AS all_but_its_failures FROM cadence_sync.orgs AS o"
LAST = "SELECT outcome, error_code, seen, deleted FROM cadence_sync.sync_runs ORDER BY run_id DESC LIMIT 1"
BEFORE = [record(str(number)) for number in range(10)]
AFTER = [*BEFORE[6:8], record("8", name="New"), record("9", x=1), record("10"), record("11", active="perhaps")]
"""Two as before, an update, a field that is not known, a creation and a bad record; six are missing."""


def failing(function: Callable[..., Any], on_call: int, *, done: bool) -> Callable[..., Any]:
    """Return a function that fails on one of its calls, before it does anything or when all is done."""
    calls = 0

    async def fail(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == on_call and not done:
            raise DatabaseError("It broke.", code="BROKEN")
        result = await function(*arguments)
        if calls == on_call:
            raise DatabaseError("It broke.", code="BROKEN")
        return result

    return fail


STEPS: list[tuple[ModuleType, str, int]] = [
    (runs, "pass_fence", 1),
    (store, "execute", 1),
    (store, "execute", 2),
    (store, "execute", 3),
    (runs, "finish_run", 1),
    (deletion_reviews, "save_held_deletions", 1),
]


@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize(("module", "step", "call"), STEPS, ids=[f"{step} {call}" for _, step, call in STEPS])
async def test_a_run_that_fails_at_any_step_stores_nothing_at_all(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str, call: int, done: bool
) -> None:
    await lab.sync(*BEFORE)
    held = await lab.sync(*BEFORE[6:])
    assert held.run_id is not None
    await review_deletions(lab.engine, held.run_id, "approved", Actor("ana"))
    before, orgs = await lab.contents(), await lab.rows(ORGS)
    with monkeypatch.context() as patch:
        patch.setattr(module, step, failing(getattr(module, step), call, done=done))
        report = await lab.sync(*AFTER)
    assert (report.exit_code, report.error and report.error.code) == (5, "BROKEN")
    assert (await lab.contents(), await lab.rows(ORGS)) == (before, orgs)
    assert await lab.row(LAST) == {"outcome": "failed", "error_code": "BROKEN", "seen": 0, "deleted": 0}
    assert await lab.row("SELECT consecutive_failures FROM cadence_sync.orgs") == {"consecutive_failures": 1}
    assert (await lab.sync(*AFTER)).exit_code == 7
    assert await lab.row("SELECT consecutive_failures FROM cadence_sync.orgs") == {"consecutive_failures": 0}
    assert await lab.row(LAST) == {"outcome": "partial", "error_code": None, "seen": 6, "deleted": 6}
    assert await lab.rows("SELECT * FROM cadence_sync.held_deletions") == []


def hurried(monkeypatch: pytest.MonkeyPatch, usual: str, shorter: str) -> None:
    """Let a writer wait for less than usual."""
    assert usual in str(LOCK_ORG)
    monkeypatch.setattr(store, "LOCK_ORG", text(str(LOCK_ORG).replace(usual, shorter)))


async def test_a_writer_waits_so_long_for_its_lock_and_its_server_for_it(lab: Lab) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    async with lab.engine.begin() as connection:
        await connection.execute(LOCK_ORG, {"org_id": "default"})
        assert [await connection.scalar(text(f"SHOW {name}")) for name in names] == ["10s", "10min", "1min"]


async def test_while_another_session_writes_the_organization_a_run_ends_as_busy(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.sync(record("1"))
    hurried(monkeypatch, "'10s'", "'100ms'")
    async with lab.engine.begin() as other:
        await other.execute(LOCK_ORG, {"org_id": "default"})
        report = await lab.sync(record("1", name="New"))
    assert (report.exit_code, report.error and report.error.code) == (8, "ORG_BUSY")
    assert (await lab.sync(record("1", name="New"))).exit_code == 0


async def test_a_writer_that_freezes_in_its_transaction_is_cut_off(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    await lab.sync(record("1"))
    sync = lab.syncing(WrittenSource(listing([record("1", name="New")]), lab.clock))
    run = await lab.store.begin(ORG, "test", lab.clock.now())
    looked = await sync._fetch(run)
    frozen = lab.store.transaction(run, looked[0])
    with monkeypatch.context() as patch:  # the other writer has all the time that it needs
        hurried(patch, "'60s'", "'200ms'")
        await frozen.__aenter__()
    assert (await sync._apply(run, *looked)).updated == 1
    with pytest.raises(DatabaseError):  # the server has closed its connection
        await frozen.__aexit__(None, None, None)
    assert (await lab.row(LAST))["outcome"] == "succeeded"


async def test_a_run_begins_while_another_writes(lab: Lab) -> None:
    await lab.sync(record("1"))
    run = await lab.store.begin(ORG, "test", lab.clock.now())
    listed, _ = await lab.syncing(WrittenSource(listing([record("1")]), lab.clock))._fetch(run)
    async with asyncio.timeout(20), lab.store.transaction(run, listed):
        second = await lab.store.begin(ORG, "test", lab.clock.now())
    assert second.run_id > run.run_id
    assert second.fence == run.fence
