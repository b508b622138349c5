"""What the driver raises, in our words: code, exit code, and no secret."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cadence_sync.db.engine import open_engine, translate_errors
from cadence_sync.errors import DatabaseError, OrgBusyError
from tests.support.lab import Lab

ERRORS: list[tuple[Exception, str]] = [
    (asyncpg.UndefinedTableError("x"), "NOT_MIGRATED"),
    (asyncpg.InvalidSchemaNameError("x"), "NOT_MIGRATED"),
    (asyncpg.InvalidCatalogNameError("x"), "DATABASE_MISSING"),
    (asyncpg.InvalidPasswordError("x"), "DATABASE_REFUSED"),
    (asyncpg.InvalidAuthorizationSpecificationError("x"), "DATABASE_REFUSED"),
    (asyncpg.InsufficientPrivilegeError("x"), "DATABASE_PERMISSION"),
    (asyncpg.ReadOnlySQLTransactionError("x"), "DATABASE_READ_ONLY"),
    (asyncpg.DiskFullError("x"), "DISK_FULL"),
    (asyncpg.TooManyConnectionsError("x"), "TOO_MANY_CONNECTIONS"),
    (asyncpg.LockNotAvailableError("x"), "LOCKED"),
    (asyncpg.IntegrityConstraintViolationError("x"), "HISTORY_REFUSED"),
    (asyncpg.UniqueViolationError("x"), "DATABASE_ERROR"),
    (asyncpg.QueryCanceledError("x"), "DATABASE_TIMEOUT"),
    (asyncpg.ConnectionDoesNotExistError("x"), "DATABASE_UNREACHABLE"),
    (asyncpg.CannotConnectNowError("x"), "DATABASE_UNREACHABLE"),
    (asyncpg.AdminShutdownError("x"), "DATABASE_UNREACHABLE"),
    (asyncpg.InterfaceError("x"), "DATABASE_UNREACHABLE"),
    (InterfaceError("SELECT 1", {}, Exception("x")), "DATABASE_UNREACHABLE"),
    (ConnectionRefusedError("x"), "DATABASE_UNREACHABLE"),
    (TimeoutError("x"), "DATABASE_UNREACHABLE"),
    (PoolTimeoutError("x"), "DATABASE_BUSY"),
    (asyncpg.IdleInTransactionSessionTimeoutError("x"), "DATABASE_TIMEOUT"),
]


@pytest.mark.parametrize(
    ("error", "code"), ERRORS, ids=[f"{type(error).__module__}.{type(error).__name__}" for error, _ in ERRORS]
)
def test_a_driver_error_becomes_ours(error: Exception, code: str) -> None:
    with pytest.raises(DatabaseError) as caught, translate_errors():
        raise error
    assert (caught.value.code, caught.value.exit_code) == (code, 5)


def test_our_own_errors_and_defects_pass_unchanged() -> None:
    for error in (OrgBusyError("busy"), KeyError("a defect")):
        with pytest.raises(type(error)) as caught, translate_errors():
            raise error
        assert caught.value is error


async def test_a_missing_database_and_a_read_only_one_are_reported_apart(lab: Lab, database_url: str) -> None:
    missing = database_url.replace("cadence_sync_test", "never_made")
    async with open_engine(missing) as engine:
        with pytest.raises(DatabaseError) as caught, translate_errors():
            async with engine.connect():
                pass
    assert caught.value.code == "DATABASE_MISSING"
    async with lab.engine.begin() as connection:
        await connection.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DatabaseError) as caught, translate_errors():
            await connection.execute(text("UPDATE cadence_sync.orgs SET fence = 1"))
    assert caught.value.code == "DATABASE_READ_ONLY"
