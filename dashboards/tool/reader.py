"""A role that may read the schema `cadence_reporting` and nothing else."""

import asyncpg

from cadence_sync.db.engine import open_engine
from cadence_sync.db.grants import grant_reader
from cadence_sync.ports import Actor


async def create_reader(url: str, role: str, password: str | None = None) -> None:
    """Create the role, or give it these rights and this password; `url` must be allowed to."""
    connection = await asyncpg.connect(url)
    try:
        name = await connection.fetchval("SELECT quote_ident($1)", role)
        if not await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {name} LOGIN")
        if password is not None:
            secret = await connection.fetchval("SELECT quote_literal($1)", password)
            await connection.execute(f"ALTER ROLE {name} PASSWORD {secret}")
        await connection.execute(f"ALTER ROLE {name} SET default_transaction_read_only = on")
    finally:
        await connection.close()
    async with open_engine(url) as engine:
        await grant_reader(engine, role, Actor("dashboards"))
