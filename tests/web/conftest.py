"""The web UI over a real database, as an aiohttp client sees it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientResponse, CookieJar
from aiohttp.test_utils import TestClient, TestServer

from cadence_sync.config.settings import Settings
from cadence_sync.web.app import web_ui_app
from cadence_sync.web.authentication import OnLogin
from tests.support.lab import Lab


@dataclass
class Site:
    """A page that is served, and a browser without scripts."""

    client: TestClient[Any, Any]
    asked: list[str] = field(default_factory=list)

    async def get(self, path: str, **how: Any) -> ClientResponse:
        return await self.client.get(path, **how)

    async def text(self, path: str, status: int = 200, **how: Any) -> str:
        """Return a page's HTML."""
        response = await self.client.get(path, **how)
        text = await response.text()
        assert response.status == status, text.partition("<main")[2].partition("</main>")[0] or text
        return text

    async def csrf(self, path: str = "/") -> str:
        """Return the secret of the forms on a page."""
        response = await self.client.get(path)
        return (await response.text()).partition('name="csrf" value="')[2].partition('"')[0]

    async def post(
        self, path: str, page: str = "/", headers: dict[str, str] | None = None, **form: str
    ) -> ClientResponse:
        """Send a form that stands on a page."""
        data = {"csrf": await self.csrf(page)} | form
        return await self.client.post(path, data=data, headers=headers, allow_redirects=False)


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def opened(lab: Lab) -> AsyncIterator[Open]:
    """What serves the web UI with some settings; a `token` is sent with every request."""
    async with AsyncExitStack() as stack:

        async def serve(token: str | None = None, on_login: OnLogin = lambda _: None, **settings: Any) -> Site:
            asked: list[str] = []

            async def ask(org_id: str) -> str:
                asked.append(org_id)
                return "entered"

            if token is not None:
                settings.setdefault("web_token", "not-the-one-that-is-sent")
            app = web_ui_app(Settings(**settings), lab.engine, lab.clock, ask, on_login=on_login)
            server = await stack.enter_async_context(TestServer(app))
            headers = {"Authorization": f"Bearer {token}"} if token else None
            client: TestClient[Any, Any] = TestClient(server, cookie_jar=CookieJar(unsafe=True), headers=headers)
            await stack.enter_async_context(client)
            return Site(client, asked)

        yield serve


@pytest.fixture
async def site(opened: Open) -> Site:
    """The web UI as it is on loopback without settings."""
    return await opened()
