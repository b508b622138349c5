"""Sessions that resolve unqualified names in `pg_catalog` only.

Postgres prefers an object in `public` whose argument types fit better than those in `pg_catalog`: for `jsonb #>> '{a}'`
with a string of unknown type, `text = varchar`, an integer for a bigint parameter. A role that may create objects there
could make a daemon call them. pgbouncer refuses a startup parameter, and a setting of the role would reach other
applications that share it.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

import asyncpg

_PATH: Final = "pg_catalog, pg_temp"
"""With pg_temp last: where it is not named, it is searched first."""
_IN_TRANSACTION: Final = f"; SET LOCAL search_path = {_PATH}"
# The number of the backend that the client was told at the start is the real one, unless a pooler made one up.
_IN_SESSION: Final = f"""
    SELECT pg_catalog.set_config('search_path'::pg_catalog.text, '{_PATH}'::pg_catalog.text, false)
    WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) '%d'::pg_catalog.int4
"""
_IS_SET: Final = "SELECT 1"
"""The status of `_IN_SESSION` where it set the path: one row."""


class Session(asyncpg.Connection):  # type: ignore[misc]
    """A connection with the path for as long as it lasts, or in each transaction where a pooler is in between.

    What a client of a pooler sets for the session stays with the server's connection, and so reaches other clients.
    """

    is_pooled: bool = False

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        status: str
        if self.is_pooled and query.startswith("BEGIN"):  # by `transaction()`; in the same round trip
            status = await super().execute(query.removesuffix(";") + _IN_TRANSACTION, *args, **options)
            return status
        async with self._with_path():
            status = await super().execute(query, *args, **options)
            return status

    async def fetch(self, *args: Any, **options: Any) -> Any:
        async with self._with_path():
            return await super().fetch(*args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        async with self._with_path():
            return await super().fetchrow(*args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        async with self._with_path():
            return await super().fetchval(*args, **options)

    def _with_path(self) -> AbstractAsyncContextManager[None]:
        """Begins a transaction where a statement would otherwise run with the path of the server's session."""
        needs_one = self.is_pooled and not self.is_in_transaction()
        return self.transaction() if needs_one else nullcontext()


async def open_session(url: str, **options: Any) -> Session:
    session: Session = await asyncpg.connect(url, connection_class=Session, **options)
    try:
        session.is_pooled = await session.execute(_IN_SESSION % session.get_server_pid()) != _IS_SET
    except BaseException:
        session.terminate()
        raise
    return session
