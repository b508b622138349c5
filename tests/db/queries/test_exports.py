"""Lists that are read in parts: each cadence once, in the list's order, whatever a sync writes in between."""

import asyncio

import pytest
from sqlalchemy import text

from cadence_sync.core.labels import Axis
from cadence_sync.db.engine import autocommit
from cadence_sync.db.queries import as_of, current
from cadence_sync.db.queries.current import CadenceFilter, CadenceState
from cadence_sync.db.queries.history import snapshot
from cadence_sync.db.scope import OrgScope
from cadence_sync.errors import DatabaseError
from cadence_sync.ports import Org
from tests.support.cli import PATIENCE
from tests.support.lab import Lab
from tests.support.records import record

COLUMNS = ("org_id", "cadence_id", "version", "name", "modified_by_name")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (current, as_of):
        monkeypatch.setattr(module, "BATCH", 3)


async def live_through(lab: Lab) -> None:
    names = ["beta", "Alpha", "", "gamma", None, "Ω", "alpha", "delta", '"quoted"\n', "beta"]
    await lab.sync(*(record(str(number), name=name) for number, name in enumerate(names)))
    await lab.sync(*(record(str(number), name=name) for number, name in enumerate(names) if number != 3))
    await lab.sync(record("1", name="their alpha"), org=Org('other "org"', "eu"))


async def export(lab: Lab, filter_: CadenceFilter) -> list[tuple[object, ...]]:
    async with snapshot(lab.engine) as connection:
        parts = await current.load_keys(connection, filter_)
        return [tuple(row) for keys in parts for row in await current.load_listed(connection, keys)]


@pytest.mark.parametrize("sort", current.SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_parts_are_the_list(lab: Lab, sort: str, *, descending: bool) -> None:
    await live_through(lab)
    for state in CadenceState:
        filter_ = CadenceFilter(OrgScope(), state=state, sort=sort, descending=descending)
        async with snapshot(lab.engine) as connection:
            listed = [tuple(row) for row in await current.list_page(connection, filter_, 100, 0)]
        assert await export(lab, filter_) == listed
    assert await export(lab, CadenceFilter(OrgScope(), text="no such name")) == []


async def test_none_is_skipped_or_repeated_while_names_change(lab: Lab) -> None:
    await lab.sync(*(record(str(number), name=f"name {number}") for number in range(9)))
    async with autocommit(lab.engine) as connection:
        parts = await current.load_keys(connection, CadenceFilter(OrgScope()))
        seen = [row.cadence_id for row in await current.load_listed(connection, parts[0])]
        # The first become the last, and the last the first; one goes and one comes.
        await lab.sync(*(record(str(number), name=f"name {20 - number}") for number in (0, 1, 2, 3, 4, 6, 7, 8, 9)))
        for keys in parts[1:]:
            seen += [row.cadence_id for row in await current.load_listed(connection, keys)]
    assert seen == [str(number) for number in range(9)]


@pytest.mark.parametrize("axis", Axis)
async def test_parts_of_the_past_are_the_list_of_then(lab: Lab, axis: Axis) -> None:
    await live_through(lab)
    then = lab.clock.time
    await lab.sync(*(record(str(number), name=f"later {number}") for number in range(5)))
    for org, words in ((None, None), ("default", None), (None, "alpha"), (None, "no such name")):
        query = as_of.PastQuery(then, axis, COLUMNS, OrgScope(org), words)
        async with snapshot(lab.engine) as connection:
            rows, _ = await as_of.list_as_of(connection, query)
            parts = await as_of.load_keys(connection, query)
            read = [row for keys in parts for row in await as_of.load_listed(connection, query, keys)]
        assert [tuple(row) for row in read] == [tuple(row)[: len(COLUMNS)] for row in rows]


async def test_the_server_ends_a_snapshot_whose_reader_stands_still(lab: Lab) -> None:
    async def stand_still() -> None:
        async with snapshot(lab.engine, timeout_ms=100) as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = :pid) AS gone"
            async with asyncio.timeout(PATIENCE):
                while not (await lab.row(gone, pid=pid))["gone"]:
                    await asyncio.sleep(0.02)
            await connection.scalar(text("SELECT 1"))

    with pytest.raises(DatabaseError):
        await stand_still()


async def test_a_command_may_stand_still_for_minutes_and_no_longer(lab: Lab) -> None:
    async with snapshot(lab.engine) as connection:
        assert await connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "5min"
        assert await connection.scalar(text("SHOW statement_timeout")) == "0"
