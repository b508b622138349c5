"""Our sessions resolve names in pg_catalog, and behind a pooler leave nothing in the server's session."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cadence_sync.db.engine import autocommit, connect, open_engine, transaction
from cadence_sync.db.queue import direct
from tests.support.pooling import pooled
from tests.support.shadows import is_called, shadow

PATH = "pg_catalog, pg_temp"
USUAL = '"$user", public'
SHOW = "SHOW search_path"


@pytest.mark.parametrize("keeps_open", [False, True])
async def test_a_direct_session_keeps_the_path(database_url: str, keeps_open: bool) -> None:
    async with open_engine(database_url, direct=keeps_open) as engine:
        for opened in (autocommit, transaction):
            async with opened(engine) as connection:
                assert await connection.scalar(text(SHOW)) == PATH
    async with direct(database_url) as queue:
        assert (queue.is_pooled, await queue.fetchval(SHOW)) == (False, PATH)


async def test_behind_a_pooler_each_transaction_has_the_path_and_the_session_has_not(database_url: str) -> None:
    async with pooled(database_url) as url, open_engine(url) as engine:
        session = await connect(url)
        assert session.is_pooled
        assert await asyncpg.Connection.fetchval(session, SHOW) == USUAL
        assert await session.fetchval(SHOW) == PATH
        assert await session.fetchrow(SHOW) == (PATH,)
        assert await session.fetch(SHOW) == [(PATH,)]
        await session.execute("CREATE TEMPORARY TABLE t AS SELECT current_setting('search_path') AS path")
        assert await session.fetchval("SELECT path FROM t") == PATH
        async with session.transaction(isolation="serializable", readonly=True):
            assert await session.fetchval(SHOW) == PATH
            assert await session.fetchval("SHOW transaction_isolation") == "serializable"
        assert await asyncpg.Connection.fetchval(session, SHOW) == USUAL
        await session.close()
        for opened in (transaction, autocommit):
            async with opened(engine) as connection:
                assert await connection.scalar(text(SHOW)) == PATH


async def test_behind_a_pooler_too_each_statement_of_an_autocommit_is_a_transaction(database_url: str) -> None:
    add = text("INSERT INTO cadence_sync.orgs (org_id, data_center) VALUES (:org_id, 'us') RETURNING org_id")
    count = text("SELECT count(*) FROM cadence_sync.orgs")
    async with pooled(database_url) as url, open_engine(url) as engine, open_engine(database_url) as other:
        async with autocommit(engine) as connection:
            assert (await connection.execute(add, {"org_id": "a"})).one() == ("a",)
            await connection.execute(add, {"org_id": "b"})
            async with autocommit(other) as looks:
                assert await looks.scalar(count) == 2
            with pytest.raises(IntegrityError):
                await connection.execute(add, {"org_id": "a"})
        async with autocommit(engine) as connection:
            assert await connection.scalar(count) == 2
            assert await connection.scalar(text("SELECT pg_current_xact_id_if_assigned() IS NULL"))


@pytest.mark.parametrize("is_pooled", [False, True])
async def test_opening_a_session_calls_nothing_of_a_stranger(empty_database_url: str, is_pooled: bool) -> None:
    await shadow(empty_database_url)
    if is_pooled:
        async with pooled(empty_database_url) as url:
            await (await connect(url)).close()
    else:
        await (await connect(empty_database_url)).close()
    connection = await asyncpg.connect(empty_database_url)
    assert not await is_called(connection)
    await connection.close()
