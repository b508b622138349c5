"""A real Postgres for every test that asks for one: a migrated template, cloned for each test."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cadence_sync import embedded
from cadence_sync.db.engine import opened
from cadence_sync.wiring import migrate
from tests.support.lab import Lab

HANGS = 300
"""Seconds after which a test is taken to hang; those of `torture` may take as long as they are told to."""
_NUMBERS = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "server_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test that hangs fail, so that the others run."""

    def give_up(_number: int, _frame: object) -> None:
        pytest.fail(f"it hangs: it took longer than {HANGS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(0 if "torture" in item.path.parts else HANGS)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server that the tests may create databases on: the one that is named, else the embedded one."""
    with ExitStack() as stack:
        named = os.environ.get("CADENCE_SYNC_TEST_DATABASE_URL")
        if named is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cadence sync test "))
            named = stack.enter_context(embedded.running(Path(folder)))
        yield named


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    name = f"cadence_sync_template_{os.getpid()}"
    _execute(server_url, f"CREATE DATABASE {name}")
    asyncio.run(_migrated(_with_database(server_url, name)))
    yield name
    _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database without tables."""
    yield from _database(server_url, "template0")


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(server_url, template)


@pytest.fixture
def second_database_url(server_url: str, template: str) -> Iterator[str]:
    """Another migrated database, to compare with."""
    yield from _database(server_url, template)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with opened(database_url) as engine:
        yield engine


@pytest.fixture
def lab(engine: AsyncEngine) -> Lab:
    """Syncs of listings that the test writes down, into a real database, at times that the test sets."""
    return Lab(engine)


def clone_of(server_url: str, template: str, name: str) -> str:
    """Create a database like the template and return its address."""
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return _with_database(server_url, name)


def drop(server_url: str, url: str) -> None:
    """Drop a database that `clone_of` made."""
    _execute(server_url, f"DROP DATABASE {urlsplit(url).path.removeprefix('/')} WITH (FORCE)")


def _database(server_url: str, template: str) -> Iterator[str]:
    url = clone_of(server_url, template, f"cadence_sync_test_{os.getpid()}_{next(_NUMBERS)}")
    yield url
    drop(server_url, url)


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


async def _migrated(url: str) -> None:
    async with opened(url) as engine:
        await migrate(engine)
