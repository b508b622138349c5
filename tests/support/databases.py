"""Databases of tests' own: clones of a migrated template, made and dropped over one connection, one ahead of need."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from cadence_sync.daemon.migration import migrate
from cadence_sync.db.engine import open_engine
from tests.support.lab import Lab

T = TypeVar("T")
EMPTY = "template0"
"""A database without tables, which every server has."""


class Databases:
    """Makes and drops databases on one server, in a thread of its own: tests have event loops of their own."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._numbers = count(1)
        self._ahead: dict[str, Future[str]] = {}
        self._dropping: set[Future[None]] = set()
        self._template: str | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._connection: asyncpg.Connection = self._submit(asyncpg.connect(self._server_url)).result()
        self._busy = asyncio.Lock()
        return self

    def __exit__(self, *_exception: object) -> None:
        for template in list(self._ahead):
            self.drop(self._ahead.pop(template).result())
        if self._template is not None:
            self.drop(self._url(self._template))
        for dropping in list(self._dropping):
            dropping.result()
        self._submit(self._connection.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def template(self) -> str:
        """The name of a migrated database that nobody connects to; made when it is first asked for."""
        if self._template is None:
            name = f"cadence_sync_template_{os.getpid()}"
            self._submit(self._execute(f"CREATE DATABASE {name} TEMPLATE {EMPTY}")).result()
            asyncio.run(_migrate(self._url(name)))
            self._template = name
        return self._template

    @contextmanager
    def lived_in(self, live: Callable[[Lab], Coroutine[Any, Any, None]]) -> Iterator[str]:
        """Yield the name of a migrated database with a history that is lived once, to clone."""
        url = self.clone(self.template)
        asyncio.run(_live(url, live))
        yield database_in(url)
        self.drop(url)

    def clone(self, template: str) -> str:
        """Return the URL of a new database like the template, and let the next one be made meanwhile."""
        ready = self._ahead.pop(template, None) or self._submit(self._clone(template))
        url = ready.result()
        if template == self._template:
            self._ahead[template] = self._submit(self._clone(template))
        return url

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it; a failure is raised by a later call or at the end."""
        for done in [dropping for dropping in self._dropping if dropping.done()]:
            self._dropping.remove(done)
            done.result()
        name = database_in(url)
        self._dropping.add(self._submit(self._execute(f"DROP DATABASE {name} WITH (FORCE)")))

    async def _clone(self, template: str) -> str:
        name = f"cadence_sync_test_{os.getpid()}_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url(name)

    async def _execute(self, statement: str) -> None:
        async with self._busy:
            await self._connection.execute(statement)

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}"))


def database_in(url: str) -> str:
    """Return the name of a URL's database."""
    return urlsplit(url).path.removeprefix("/")


async def _migrate(url: str) -> None:
    async with open_engine(url) as engine:
        await migrate(engine)


async def _live(url: str, live: Callable[[Lab], Coroutine[Any, Any, None]]) -> None:
    async with open_engine(url) as engine:
        await live(Lab(engine))
