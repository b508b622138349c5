"""A real Postgres for every test that asks for one: a migrated template, cloned for each test."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync.db import embedded
from cadence_sync.db.engine import open_engine
from cadence_sync.errors import CadenceSyncError
from tests.support import cli
from tests.support.databases import EMPTY, Databases
from tests.support.lab import Lab
from tests.support.memory import memory_folder, remove_linked_data


def pytest_configure() -> None:
    """Heed Ctrl-C also where a shell started the tests in the background, and with them every command they start.

    Such a shell ignores SIGINT for its background jobs, which processes inherit: no command would notice a Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "server_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """End the server of commands with the tests that use it."""
    yield
    if cli.fork_server.cache_info().currsize:
        cli.fork_server().close()


@pytest.fixture(scope="session", autouse=True)
def _data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the data of servers that commands started, wherever they are."""
    yield
    remove_linked_data(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that the tests may create databases on: the one that is named, else the embedded one."""
    with ExitStack() as stack:
        named = os.environ.get("CADENCE_SYNC_TEST_DATABASE_URL")
        if named is None:
            try:
                named = stack.enter_context(embedded.temporary("cadence sync test ", below=memory_folder()))
            except CadenceSyncError as error:
                request.session.shouldfail = "no Postgres for the tests"  # hundreds of tests would say the same
                raise pytest.fail.Exception(f"{error.message} {error.hint}", pytrace=False) from None
        yield named


@pytest.fixture(scope="session")
def databases(server_url: str) -> Iterator[Databases]:
    with Databases(server_url) as databases:
        yield databases


@pytest.fixture(scope="session")
def template(databases: Databases) -> str:
    """The name of a migrated database, to clone."""
    return databases.template


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database without tables."""
    yield from _database(databases, EMPTY)


@pytest.fixture
def database_url(databases: Databases, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(databases, template)


@pytest.fixture
def second_database_url(databases: Databases, template: str) -> Iterator[str]:
    """Another migrated database, to compare with."""
    yield from _database(databases, template)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture
def lab(engine: AsyncEngine) -> Lab:
    """Syncs of listings that the test writes down, into a real database, at times that the test sets."""
    return Lab(engine)


def _database(databases: Databases, template: str) -> Iterator[str]:
    url = databases.clone(template)
    yield url
    databases.drop(url)
