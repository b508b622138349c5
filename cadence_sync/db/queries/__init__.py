"""The questions of the web UI: a file a page, each answer a frozen Struct, each look at one state of the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cadence_sync.db.engine import translate_errors
from cadence_sync.db.revision import check_migrated

PATIENCE: Final = 15_000
"""Milliseconds after which a page gives up a query: nobody waits longer, and the database has other work."""
_LIMIT: Final = text("SELECT set_config('statement_timeout', :limit, true)")


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection that cannot write, and whose statements all see the same state."""
    with translate_errors():
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            await connection.execute(_LIMIT, {"limit": str(PATIENCE)})
            await check_migrated(connection)
            yield connection
