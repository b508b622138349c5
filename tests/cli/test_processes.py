"""Processes that are frozen, killed, stopped or in each other's way: the history knows nothing of it."""

import asyncio
import json
import signal

import asyncpg
import pytest

from cadence_sync.simulator.simulator import Simulator
from tests.cli.conftest import Program
from tests.support.cli import Result
from tests.support.interrupted import ended, fetching
from tests.support.invariants import broken, names, rows, runs, version_count

AGES = 60.0
"""Seconds that no listing of these tests waits for: it is ended before."""


def url_of(program: Program) -> str:
    url = program.settings["DATABASE_URL"]
    assert url is not None
    return url


def names_in(simulator: Simulator) -> dict[str, str | None]:
    return {cadence_id: cadence.name for cadence_id, cadence in simulator.orgs[0].cadences.items()}


async def test_a_frozen_sync_that_wakes_cannot_write_over_a_newer_one(program: Program, simulator: Simulator) -> None:
    assert (await program.run("sync")).code == 0
    simulator.edit_one("rename")
    frozen = await fetching(program, simulator, seconds=0.5)
    frozen.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(20):
            while simulator.in_flight[0]:  # until the answer, older than the next edit, lies in its socket
                await asyncio.sleep(0.01)
        simulator.edit_one("rename")
        simulator.edit_one("delete")
        simulator.edit_one("create")
        (newer,) = (await program.run("sync", "--json")).json
    finally:
        frozen.send_signal(signal.SIGCONT)
    code, out = await ended(frozen)
    assert (newer["outcome"], newer["created"], newer["deleted"]) == ("succeeded", 1, 1)
    assert (code, json.loads(out)[0]["error"]["code"]) == (8, "ORG_BUSY")
    assert await broken(url_of(program)) == {}
    assert await names(url_of(program)) == names_in(simulator)
    assert await runs(url_of(program)) == [("succeeded", None), ("failed", "ORG_BUSY"), ("succeeded", None)]
    (again,) = (await program.run("sync", "--json")).json
    assert again["unchanged"] == again["seen"]


async def test_after_a_kill_the_next_run_works_at_once(program: Program, simulator: Simulator) -> None:
    assert (await program.run("sync")).code == 0
    simulator.edit_one("rename")
    for _ in range(2):
        process = await fetching(program, simulator, AGES)
        process.kill()
        assert (await ended(process))[0] == -signal.SIGKILL
    (report,) = (await program.run("sync", "--json")).json
    assert (report["outcome"], report["updated"]) == ("succeeded", 1)
    dead = ("failed", "ABANDONED")
    assert await runs(url_of(program)) == [("succeeded", None), dead, dead, ("succeeded", None)]
    assert await broken(url_of(program)) == {}


async def test_of_two_syncs_at_once_one_writes(program: Program, simulator: Simulator) -> None:
    assert (await program.run("sync")).code == 0
    written = await version_count(url_of(program))
    for _ in range(5):
        changed = len({edit.cadence_id for edit in (simulator.edit_one("rename"), simulator.edit_one("create"))})
        simulator.change_settings(latency=0.2)
        results: list[Result] = await _at_once(program, 2)
        codes = sorted(result.code for result in results)
        assert codes in ([0, 0], [0, 8]), [result.err for result in results]
        writers = [result.json[0] for result in results if result.json[0]["updated"] + result.json[0]["created"]]
        assert len(writers) == 1
        assert writers[0]["outcome"] == "succeeded"
        written += changed
        assert await version_count(url_of(program)) == written
    assert await broken(url_of(program)) == {}
    assert await names(url_of(program)) == names_in(simulator)


async def test_two_first_syncs_at_once_make_one_baseline(program: Program, simulator: Simulator) -> None:
    simulator.change_settings(latency=0.2)
    results = await _at_once(program, 2)
    assert sorted(result.code for result in results) in ([0, 0], [0, 8]), [result.err for result in results]
    assert await version_count(url_of(program)) == 25
    assert await broken(url_of(program)) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_sync_and_closes_its_run(
    number: signal.Signals, program: Program, simulator: Simulator
) -> None:
    assert (await program.run("sync")).code == 0
    simulator.edit_one("rename")
    process = await fetching(program, simulator, AGES)
    process.send_signal(number)
    assert (await ended(process))[0] == 128 + number
    assert await runs(url_of(program)) == [("succeeded", None), ("failed", "INTERRUPTED")]
    assert await version_count(url_of(program)) == 25
    (report,) = (await program.run("sync", "--json")).json
    assert (report["outcome"], report["updated"]) == ("succeeded", 1)
    assert await broken(url_of(program)) == {}


WAITS = "SELECT 1 FROM pg_locks WHERE relation = 'cadence_sync.sync_runs'::regclass AND NOT granted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_further_signals_do_not_keep_a_sync_from_closing_its_run(
    number: signal.Signals, program: Program, simulator: Simulator
) -> None:
    assert (await program.run("sync")).code == 0
    process = await fetching(program, simulator, AGES)
    other = await asyncpg.connect(url_of(program))
    async with other.transaction(), asyncio.timeout(20):
        await other.execute("LOCK TABLE cadence_sync.sync_runs IN EXCLUSIVE MODE")
        process.send_signal(number)
        while not await rows(url_of(program), WAITS):  # until it would close its run
            await asyncio.sleep(0.01)
        for _ in range(20):  # whenever a signal comes, it goes on waiting
            process.send_signal(number)
            assert await rows(url_of(program), WAITS)
            await asyncio.sleep(0.02)
    await other.close()
    assert (await ended(process))[0] == 128 + number
    assert await runs(url_of(program)) == [("succeeded", None), ("failed", "INTERRUPTED")]


async def _at_once(program: Program, count: int) -> list[Result]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(program.run("sync", "--json")) for _ in range(count)]
    return [task.result() for task in tasks]
