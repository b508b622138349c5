"""Connections to Postgres, and the translation of its errors."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import msgspec
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cadence_sync.config.urls import DATABASE_WORDS
from cadence_sync.db.session import Session, open_session
from cadence_sync.errors import CadenceSyncError, DatabaseError, SettingsError

Engine: TypeAlias = AsyncEngine
EngineConnection: TypeAlias = AsyncConnection
"""For callers outside `db`, which do not import SQLAlchemy."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds."""
POOL_SIZE: Final = 2
"""Connections that stay open between two uses."""
LONG_LIVED_SIZE: Final = 16
"""Connections that a daemon keeps open for its runs; two more are for monitoring."""
POOL_TIMEOUT: Final = 30.0
"""Seconds that a task waits until a connection of the pool is free."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    kept: int
    """Connections that stay open between two uses."""
    most: int
    timeout: float = POOL_TIMEOUT
    """Seconds."""

    @classmethod
    def of_daemon(cls, tasks: int, *, direct: bool) -> "PoolSize":
        """Returns the size at which no task waits for another: a token refresh holds a connection while Zoho answers.

        A pooler keeps connections itself.
        """
        return cls(POOL_SIZE + (min(tasks, LONG_LIVED_SIZE) if direct else 0), POOL_SIZE + tasks)


ONE_COMMAND: Final = PoolSize(POOL_SIZE, 50)
WEB_UI: Final = PoolSize(POOL_SIZE, 6, timeout=10.0)
"""A pool of its own: pages wait for each other, and no sync waits for a page."""

# All locks are on our own tables, and need the privilege to write them: every role could hold an advisory lock.
LOCK_ORG: Final = text("""
    SELECT org_id FROM cadence_sync.orgs WHERE org_id = :org_id AND (
        SELECT num_nulls(
            set_config('lock_timeout', '10s', true), set_config('statement_timeout', '10min', true),
            set_config('idle_in_transaction_session_timeout', '60s', true)
        ) = 0
    )
    FOR NO KEY UPDATE
""")
"""Taken by the writer of an organization; the server ends a writer that freezes.

The limits are set first, even where the organization is unknown. Runs can begin meanwhile: the lock that a foreign key
takes is a weaker one.
"""

LOCK_MIGRATION: Final = "LOCK TABLE cadence_sync.alembic_version IN SHARE ROW EXCLUSIVE MODE"
"""Taken by `migrate` on a database that has tables, so that several at once run one after the other."""
SHORT_LOCKS: Final = "SET LOCAL lock_timeout = '5s'"
"""A table lock that others hold for long fails the migration, not them."""

_MIGRATE: Final = "Run `cadence-sync migrate`."
_REACH: Final = "Check the database URL and that the server accepts connections from here."

_BY_SQLSTATE: Final[dict[str, tuple[str, str, str]]] = {
    "42P01": ("NOT_MIGRATED", "The database lacks the tables of cadence-sync.", _MIGRATE),
    "42703": ("NOT_MIGRATED", "The tables are those of another version of cadence-sync.", _MIGRATE),
    "3F000": ("NOT_MIGRATED", "The database lacks the schema of cadence-sync.", _MIGRATE),
    "3D000": ("DATABASE_MISSING", "The database does not exist.", "Create it, or correct the database URL."),
    "28P01": ("DATABASE_REFUSED", "Postgres refused the password.", _REACH),
    "28000": ("DATABASE_REFUSED", "Postgres refused the user.", _REACH),
    "42501": ("DATABASE_PERMISSION", "The database user lacks a right.", "Run `migrate` and `sync` as the same user."),
    "25006": ("DATABASE_READ_ONLY", "The database is read-only.", "Connect to the primary server."),
    "53100": ("DISK_FULL", "The database server's disk is full.", "Free space on it; nothing was written."),
    "25P03": ("DATABASE_TIMEOUT", "The database ended a transaction that stood still.", "Nothing was written."),
    "57014": ("DATABASE_TIMEOUT", "The database took too long and the statement was ended.", "Nothing was written."),
    "55P03": ("LOCKED", "Another session holds a lock for too long.", "Look at pg_locks for who does."),
    "53300": ("TOO_MANY_CONNECTIONS", "Postgres has no free connection.", "Raise max_connections or use a pooler."),
    "23000": ("HISTORY_REFUSED", "The database refused to rewrite history.", "This is a defect; please report it."),
}


async def connect(url: str, **options: Any) -> Session:
    """Opens a session; raises `SettingsError` for a parameter of the URL that the server refuses."""
    try:
        return await open_session(url, timeout=CONNECT_TIMEOUT, **options)
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError) as error:
        names = [name for name, _ in parse_qsl(urlsplit(url).query) if f'"{name}"' in str(error)]
        if not names:
            raise
        raise SettingsError(
            f"The server refuses the parameter {names[0]!r} of the database URL.",
            hint="Look for a misspelled name or value. What only libpq knows, such as connect_timeout, is left out.",
        ) from error
    except asyncpg.ClientConfigurationError:
        raise  # although it is a ValueError; `translate_errors` explains it
    except ValueError:  # from a variable such as PGPORT; its text repeats the value
        raise SettingsError("The database URL or a variable PG… cannot work.", hint=_REACH) from None


def create_engine(url: str, pool: PoolSize = ONE_COMMAND, *, direct: bool = False) -> AsyncEngine:
    """Returns an engine for a `postgresql://` URL; asyncpg parses the URL, `sslmode` and sockets included.

    Statements have no names and are not cached: behind a pooler in transaction mode one session of the server serves
    many clients, whose names would collide. `direct` connections, which are a daemon's without a pooler, stay open,
    prepare their statements once and are used without a ping.
    """

    async def open_connection() -> object:
        return await connect(
            url,
            command_timeout=300 if direct else None,  # seconds: the other end may be gone
            statement_cache_size=0,  # the dialect has its own
            server_settings={"application_name": "cadence-sync"},
        )

    # `async_creator` would do the same, but cannot configure the dialect's statements.
    unnamed = {"prepared_statement_name_func": lambda: "", "prepared_statement_cache_size": 0}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"async_creator_fn": open_connection, **({} if direct else unnamed)},
        pool_size=pool.kept,
        max_overflow=pool.most - pool.kept,
        pool_timeout=pool.timeout,
        pool_recycle=600 if direct else 60,  # seconds: firewalls forget idle connections
        pool_pre_ping=not direct,
        json_deserializer=msgspec.json.decode,
    )
    if direct:
        event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Makes the pool replace a connection that the server has closed, which is known without a ping."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def open_engine(url: str, pool: PoolSize = ONE_COMMAND, *, direct: bool = False) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, pool, direct=direct)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def open_connection(engine: AsyncEngine, isolation_level: str | None = None) -> AsyncIterator[AsyncConnection]:
    """Yields a connection that translates errors; what is not committed is rolled back."""
    with translate_errors():
        async with engine.connect() as connection:
            if isolation_level is not None:
                await connection.execution_options(isolation_level=isolation_level)
            yield connection


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yields a connection on which each statement is a transaction of its own."""
    async with open_connection(engine) as connection:
        if (await driver_connection(connection)).is_pooled:  # its search_path holds within a transaction only
            event.listen(connection.sync_connection, "after_cursor_execute", _commit)
        else:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


def _commit(connection: Any, *_statement: object) -> None:
    connection.connection.commit()


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with open_connection(engine) as connection, connection.begin():
        yield connection


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raises errors of the driver as ours, without its texts, which may hold secrets."""
    try:
        yield
    except CadenceSyncError:
        raise
    except DBAPIError as error:
        raise _translate(_driver_error(error)) from error
    except PoolTimeoutError as error:  # no DBAPIError: the database was not even asked
        raise DatabaseError(
            "All connections of this process to the database are in use.",
            hint="Nothing was written; try again. If it persists, look at pg_stat_activity for what they wait for.",
            code="DATABASE_BUSY",
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, InterfaceError, OSError, TimeoutError) as error:
        raise _translate(error) from error


async def driver_connection(connection: AsyncConnection) -> Session:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    return cast("Session", driver)


async def ping(url: str) -> None:
    """Asks the server over a connection of its own, past any pool of this process."""
    with translate_errors():
        connection = await connect(url, server_settings={"application_name": "cadence-sync probe"})
        try:
            await connection.fetchval("SELECT 1", timeout=CONNECT_TIMEOUT)
        finally:
            connection.terminate()  # the answer is here; the other end may be gone


def sqlstate_of(error: DBAPIError) -> str | None:
    return getattr(_driver_error(error), "sqlstate", None)


def _driver_error(error: DBAPIError) -> BaseException:
    original = error.orig
    return (original.__cause__ or original) if original is not None else error


def _explain_configuration(error: BaseException) -> SettingsError:
    """Names the parameter that the driver refuses; the rest of its text may hold parts of the URL.

    The settings were checked before: the cause is a variable of libpq, such as PGSSLMODE, or a missing file.
    """
    if "root certificate" in str(error):
        return SettingsError(
            "The root certificate that sslmode asks for cannot be read.",
            hint="Name its file with sslrootcert in the database URL, or put it in ~/.postgresql/root.crt.",
        )
    if "direct TLS" in str(error):
        return SettingsError(
            "The database's sslnegotiation=direct needs encryption.", hint="Add sslmode=require to the database URL."
        )
    name = next((name for name in DATABASE_WORDS if name in str(error)), None)
    if name is None:
        return SettingsError("The database URL or a variable PG… cannot work.", hint=_REACH)
    variable = f"PG{name.upper().replace('_', '')}"
    return SettingsError(
        f"The database's {name} cannot work.",
        hint=f"It is one of {', '.join(DATABASE_WORDS[name])}: correct {variable}, or the database URL.",
    )


def _translate(error: BaseException) -> CadenceSyncError:
    if isinstance(error, asyncpg.ClientConfigurationError):
        return _explain_configuration(error)
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate in _BY_SQLSTATE:
        code, message, hint = _BY_SQLSTATE[sqlstate]
        return DatabaseError(message, hint=hint, code=code)
    if sqlstate is not None and not sqlstate.startswith(("08", "57")):
        return DatabaseError(f"Postgres reported {type(error).__name__} ({sqlstate}).", code="DATABASE_ERROR")
    return DatabaseError(
        f"The database cannot be reached ({type(error).__name__}).", hint=_REACH, code="DATABASE_UNREACHABLE"
    )
